"""A graph as the search needs it: nodes by operator, who makes and who reads each tensor, what is constant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.graph.constants import constant_nodes
from harness.graph.matching.pattern import PatternNode, Value
from harness.graph.model import ABSENT, Graph


@dataclass(frozen=True)
class Wires:
    """What each node reads, and who reads each tensor, behind nodes that are looked through."""

    inputs: Sequence[tuple[int, ...]]
    readers: Mapping[int, list[int]]


class View:
    """One graph, indexed once for all patterns that are looked for in it."""

    def __init__(self, graph: Graph, legal: Callable[[str], str]) -> None:
        self.graph = graph
        self.makers = {n: p for p, node in enumerate(graph.nodes) for n in node.outputs if n != ABSENT}
        self.wires = _wires([node.inputs for node in graph.nodes])
        self.outputs = frozenset(graph.outputs.values())
        self._words = [frozenset({node.op, legal(node.op)}) for node in graph.nodes]
        self._index: dict[str, list[int]] = {}
        for position, words in enumerate(self._words):
            for word in words:
                self._index.setdefault(word, []).append(position)
        self._constant = {n for p in constant_nodes(graph) for n in graph.nodes[p].outputs}

    def candidates(self, node: PatternNode) -> list[int]:
        """Return the positions of all nodes that have an operator of ``node``."""
        return sorted({position for op in node.ops for position in self._index.get(op, [])})

    def fits(self, wanted: PatternNode, position: int) -> bool:
        """Return whether a node is by itself what a pattern wants."""
        node = self.graph.nodes[position]
        if not wanted.ops & self._words[position] or len(node.inputs) < len(wanted.inputs):
            return False
        if wanted.dtypes and (not node.outputs or self.graph.tensors[node.outputs[0]].dtype not in wanted.dtypes):
            return False
        return all(node.attributes.get(key) in allowed for key, allowed in wanted.attributes.items())

    def is_value(self, number: int, wanted: Value) -> bool:
        """Return whether a tensor is what a pattern wants to come from outside."""
        tensor = self.graph.tensors[number]
        if wanted.constant is not None and wanted.constant != (tensor.constant or number in self._constant):
            return False
        if wanted.dtypes and tensor.dtype not in wanted.dtypes:
            return False
        if wanted.rank is not None and (tensor.shape is None or len(tensor.shape) != wanted.rank):
            return False
        if wanted.number is None or tensor.data is None:
            return True
        scale, zero = (tensor.scales[0], tensor.zero_points[0]) if len(tensor.scales) == 1 else (1.0, 0)
        with np.errstate(invalid="ignore", over="ignore"):
            real = scale * (tensor.data.astype(np.float64) - zero)
            return bool(np.all(np.abs(real - wanted.number) <= wanted.tolerance))

    def through(self, ops: frozenset[str]) -> Wires:
        """Return the wires as they are when nodes with these operators hand over their first input."""
        ways = {
            number: node.inputs[0]
            for node, words in zip(self.graph.nodes, self._words, strict=True)
            if words & ops and node.inputs
            for number in node.outputs[:1]
        }
        return _wires([tuple(followed(ways, number) for number in node.inputs) for node in self.graph.nodes])

    def between(self, positions: Iterable[int], wires: Wires) -> frozenset[int]:
        """Return the nodes that were looked through between nodes at ``positions``."""
        ends, found = set(positions), set()
        for position in ends:
            node = self.graph.nodes[position]
            for raw, behind in zip(node.inputs, wires.inputs[position], strict=True):
                number = raw if self.makers.get(behind) in ends else behind
                while number != behind:
                    found.add(self.makers[number])
                    number = self.graph.nodes[self.makers[number]].inputs[0]
        return frozenset(found - ends)


def followed(ways: Mapping[int, int], number: int) -> int:
    """Return where ``ways`` lead from a tensor, at most once around."""
    seen: set[int] = set()
    while number in ways and number not in seen:
        seen.add(number)
        number = ways[number]
    return number


def _wires(inputs: Sequence[tuple[int, ...]]) -> Wires:
    readers: dict[int, list[int]] = {}
    for position, numbers in enumerate(inputs):
        for number in dict.fromkeys(numbers):
            readers.setdefault(number, []).append(position)
    return Wires(inputs, readers)
