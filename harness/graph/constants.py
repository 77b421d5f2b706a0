"""What of a graph is as good as constant: weights, and what is computed of nothing but constants."""

from __future__ import annotations

import re

from harness.graph.model import Graph
from harness.graph.order import ordered

STORED = frozenset({
    "Const", "Constant", "ReadVariableOp", "DisableCopyOnRead", "Identity", "DEQUANTIZE", "DequantizeLinear", "DENSIFY",
    "RESHAPE", "Reshape", "TRANSPOSE", "Transpose", "CAST", "Cast", "ExpandDims", "EXPAND_DIMS", "Squeeze", "SQUEEZE",
    "Unsqueeze", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "VAR_HANDLE", "READ_VARIABLE",
})  # fmt: skip
"""The way of a weight from where it is stored to who uses it; they change no value, or round it."""

CHANCE = re.compile(r"random|truncatednormal|multinomial|bernoulli|dropout", re.IGNORECASE)
"""Operators whose result is new each time, also when all that they read is constant."""


def constant_nodes(graph: Graph, *, ways_only: bool = False) -> set[int]:
    """Return the positions of nodes that read constants only; with ``ways_only`` just those that change no value.

    Chance is not constant, nor are nodes whose result the caller gets. Raises ``StageFailed`` for a cycle.
    """
    found: set[int] = set()
    known: set[int] = set()
    wanted = set(graph.outputs.values())
    for position in ordered(graph):
        node = graph.nodes[position]
        fits = node.op in STORED or (not ways_only and node.inputs and not CHANCE.search(node.op))
        if not fits or wanted & set(node.outputs):
            continue
        if all(number < 0 or number in known or graph.tensors[number].constant for number in node.inputs):
            found.add(position)
            known.update(node.outputs)
    return found
