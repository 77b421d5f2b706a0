"""``x · hard_sigmoid(x)``, as MobileNetV3 spells it, becomes one layer: LiteRT has one int8 kernel for it."""

from __future__ import annotations

from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import hard_swish


def apply(graph: Graph) -> Graph:
    """Return the graph with ``HardSwish`` layers."""
    return rewrite(graph, _rule)


def _rule(call: Call, view: View) -> list[Call] | None:
    if call.kind != "Multiply" or len(call.inputs) != 2:
        return None
    for value, gate in (call.inputs, call.inputs[::-1]):
        found = view.producer(gate)
        if found is not None and found.kind == "HardSigmoid" and found.inputs == (value,):
            return [hard_swish(call, value)]
    return None
