"""Which operators a reader takes for one: a convolution with its padding, bias, normalization, activation, rounding."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.graph.drawing.words import ACTIVATIONS, NEUTRAL, PADS, PRODUCTS, SCALES
from harness.graph.model import Graph, Node
from harness.graph.ops import CONVERSIONS

_CHAIN = 6
"""Most operators between a value and its product with itself: x·relu6(x + 3)/6 has four."""


def folded(graph: Graph, shown: Sequence[int], constant: Collection[int]) -> dict[int, list[int]]:
    """Return leading node → all nodes of its step.

    Args:
        shown: positions of the nodes to fold, each after what it reads.
        constant: tensors that are as good as constants.
    """
    return _Folding(graph, shown, constant).groups()


class _Folding:
    """Hands nodes over to the one that leads them; ``lead`` says which, over several hands."""

    def __init__(self, graph: Graph, shown: Sequence[int], constant: Collection[int]) -> None:
        self._graph, self._shown = graph, shown
        self._data = {position: data(graph, graph.nodes[position], constant) for position in shown}
        self._readers: dict[int, list[int]] = {}
        for position in shown:
            for number in self._data[position]:
                self._readers.setdefault(number, []).append(position)
        self._makers = {number: position for position in shown for number in graph.nodes[position].outputs}
        self._private = {position for position in shown if self._has_one_reader(position)}
        self._lead = {position: position for position in shown}

    def groups(self) -> dict[int, list[int]]:
        for position in self._shown:
            if not (self._joins_reader(position) or self._joins_chain(position)):
                self._joins_maker(position)
        found: dict[int, list[int]] = {}
        for position in self._shown:
            found.setdefault(self._end(position), []).append(position)
        return found

    def _joins_reader(self, position: int) -> bool:
        """Hand padding, and what spells integers as floats for one operator, over to who reads it."""
        op = self._graph.nodes[position].op
        loose = op == "DequantizeLinear" and self._before(position) not in self._private
        if position not in self._private or not (op in PADS or loose):
            return False
        self._lead[position] = next(iter(self._readers_of(position)))
        return True

    def _joins_maker(self, position: int) -> None:
        """Hand what only changes the single value that it reads over to who made that."""
        op, before = self._graph.nodes[position].op, self._before(position)
        if before in self._private and self._lead[before] != position:
            front = self._end(before)
            if op in ACTIVATIONS or op in NEUTRAL or (op in SCALES and self._can_be_stretched(front)):
                self._lead[position] = front

    def _joins_chain(self, position: int) -> bool:
        """Make one of x·f(x): swish and its kin are written as products by formats without a word for them."""
        if self._graph.nodes[position].op not in PRODUCTS or len(self._data[position]) != 2:
            return False
        for value, other in (self._data[position], self._data[position][::-1]):
            chain = self._chain(value, other)
            if chain:
                maker = self._makers.get(value)
                own = maker is not None and set(self._readers[value]) == {position, chain[-1]}
                goal = self._end(maker) if maker is not None and own and not is_output(self._graph, value) else position
                self._lead.update(dict.fromkeys([*chain, position], goal))
                return True
        return False

    def _chain(self, value: int, number: int) -> list[int]:
        """Return the nodes that make ``number`` of ``value`` and nothing else, the last one first; empty: there are
        none."""
        found: list[int] = []
        while number != value:
            maker = self._makers.get(number)
            if maker not in self._private or len(self._data[maker]) != 1 or len(found) == _CHAIN:
                return []
            if self._graph.nodes[maker].op not in (ACTIVATIONS | NEUTRAL | SCALES):
                return []
            found.append(maker)
            number = self._data[maker][0]
        return found

    def _can_be_stretched(self, front: int) -> bool:
        return len(self._data[front]) == 1 and self._graph.nodes[front].op not in CONVERSIONS

    def _before(self, position: int) -> int | None:
        """Return who made the single value that a node reads."""
        return self._makers.get(self._data[position][0]) if len(self._data[position]) == 1 else None

    def _readers_of(self, position: int) -> Iterator[int]:
        for number in self._graph.nodes[position].outputs:
            yield from self._readers.get(number, [])

    def _has_one_reader(self, position: int) -> bool:
        outside = any(is_output(self._graph, number) for number in self._graph.nodes[position].outputs)
        return not outside and len(list(self._readers_of(position))) == 1

    def _end(self, position: int) -> int:
        while self._lead[position] != position:
            position = self._lead[position]
        return position


def data(graph: Graph, node: Node, constant: Collection[int]) -> list[int]:
    """Return the inputs of a node that are no constants, each once."""
    numbers = node.inputs
    if node.op == "IdentityN":  # hands over each input by itself: only those count that somebody wants
        numbers = tuple(one for one, out in zip(node.inputs, node.outputs, strict=False)
                        if out in graph.consumers or is_output(graph, out))  # fmt: skip
    return list(dict.fromkeys(n for n in numbers if n >= 0 and n not in constant and not graph.tensors[n].constant))


def is_output(graph: Graph, number: int) -> bool:
    """Return whether the caller sees a tensor."""
    return number in graph.outputs.values()
