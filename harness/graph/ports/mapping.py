"""Which input and output of one model is which of another: by what they compute, then by shape and name.

Converters rename ports (``boxes`` becomes ``Identity_1:0``) and reorder them, so names prove nothing. Both models get
the same random inputs; outputs with the same values are the same output.
"""

from __future__ import annotations

from harness.graph.model import Graph
from harness.graph.ports.inputs import assignments, input_pairs, tried
from harness.graph.ports.looks import by_look
from harness.graph.ports.outputs import by_values
from harness.graph.ports.pairs import Model, PortMap

FLOAT_TOLERANCE = 0.01
QUANTIZED_TOLERANCE = 0.3
"""Largest difference of two outputs, relative to the largest value, that is taken for rounding."""


def map_ports(before: Model, after: Model, seed: int = 0, tolerance: float | None = None) -> PortMap:
    """Return which port is which; ``tolerance`` is relative to the largest value of an output."""
    if tolerance is None:
        tolerance = QUANTIZED_TOLERANCE if _quantized(before.graph) or _quantized(after.graph) else FLOAT_TOLERANCE
    ways = assignments(before.graph, after.graph)
    remarks: list[str] = []
    found = tried(before, after, ways, seed, remarks) if ways else []
    if not found:
        inputs = by_look(before.graph, after.graph, "inputs")
        outputs = by_look(before.graph, after.graph, "outputs")
    else:
        best = min(found, key=lambda one: one.score)
        doubt = sum(one.score <= tolerance for one in found) > 1
        inputs = input_pairs(before.graph, after.graph, best.assignment, doubt=doubt)
        outputs = by_values(best.before, best.after, tolerance)
    lost = (
        _rest(before.graph, [one.before for one in inputs], [one.before for one in outputs]),
        _rest(after.graph, [one.after for one in inputs], [one.after for one in outputs]),
    )
    return PortMap(tuple(inputs), tuple(outputs), lost[0], lost[1], tuple(remarks))


def _rest(graph: Graph, inputs: list[str], outputs: list[str]) -> tuple[str, ...]:
    return (*(n for n in graph.inputs if n not in inputs), *(n for n in graph.outputs if n not in outputs))


def _quantized(graph: Graph) -> bool:
    return any(tensor.scales and not tensor.constant for tensor in graph.tensors)
