"""Affine layers in a row are one: EfficientNet's rescaling, normalization and, with ImageNet weights, its multiply."""

from __future__ import annotations

from dataclasses import replace

from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import affine_of, channel_affine


def apply(graph: Graph) -> Graph:
    """Return the graph in which no affine layer is the only one that another affine layer feeds."""
    while True:
        found = rewrite(graph, _rule)
        if len(found.calls) == len(graph.calls):
            return found
        graph = found


def _rule(call: Call, view: View) -> list[Call] | None:
    outer = affine_of(call)
    before = view.producer(call.inputs[0]) if outer else None
    inner = affine_of(before) if before is not None and view.only_for(before.name, call) else None
    if outer is None or inner is None or before is None:
        return None
    merged = channel_affine(call, outer[0] * inner[0], outer[0] * inner[1] + outer[1])
    return [replace(merged, inputs=before.inputs)]
