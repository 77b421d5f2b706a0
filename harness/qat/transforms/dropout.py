"""Dropout and its relatives do nothing in inference, and a short fine-tuning at fixed ranges does without."""

from __future__ import annotations

from harness.qat.graph import Call, Graph, View, rewrite

KINDS = ("Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization")


def apply(graph: Graph) -> Graph:
    """Return the graph without them."""
    return rewrite(graph, _rule)


def _rule(call: Call, view: View) -> str | None:  # noqa: ARG001 - a rule
    identity = call.kind in KINDS or (call.kind == "Activation" and call.get("activation") == "linear")
    return call.inputs[0] if identity else None
