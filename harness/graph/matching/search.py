"""Subgraph matching: every place where a pattern's nodes lie in a graph, by backtracking along what is read.

The search begins at the node whose operator is the rarest in the graph and goes on only to neighbours of what it has,
so a graph of thousands of nodes costs little; a limit on the steps holds for patterns that fit everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from harness.errors import UserError
from harness.graph.constants import constant_nodes
from harness.graph.families import family
from harness.graph.matching.pattern import Pattern, PatternNode, Ref, Value, variants
from harness.graph.model import ABSENT, Graph, Node

STEPS = 1_000_000
_EXCHANGED = 4
"""Most inputs of a node that are tried in every order; with more, they count as they stand."""


@dataclass(frozen=True)
class Match:
    """One place where a pattern was found."""

    pattern: Pattern
    """Without those of its optional nodes that are not there."""
    nodes: Mapping[str, int]
    """Name in the pattern → position in the graph's nodes."""
    values: Mapping[str, int]
    """Name of a value from outside → tensor number."""

    @cached_property
    def positions(self) -> frozenset[int]:
        """Return the positions of all nodes."""
        return frozenset(self.nodes.values())


def find(graph: Graph, pattern: Pattern, legal: Callable[[str], str] = family, steps: int = STEPS) -> list[Match]:
    """Return all matches, in the order of the graph's nodes; one within a larger one is left out.

    Args:
        legal: operator of the file → its word in a vocabulary that the pattern may use as well.
        steps: nodes to try at most.

    Raises:
        UserError: the pattern fits so often that ``steps`` are not enough.
        StageFailed: ``broken_file``, for a graph with a cycle.
    """
    search = _Search(graph, legal, steps, pattern.name)
    found: dict[frozenset[int], Match] = {}
    members: dict[int, list[frozenset[int]]] = {}
    for variant in variants(pattern):
        for match in search.matches(variant):
            key = match.positions
            if not any(key <= other for other in members.get(min(key), [])):
                found[key] = match
                for position in key:
                    members.setdefault(position, []).append(key)
    return sorted(found.values(), key=lambda match: sorted(match.positions))


class _Search:
    """What is known of one graph, and how many steps are left."""

    def __init__(self, graph: Graph, legal: Callable[[str], str], steps: int, name: str) -> None:
        self._graph, self._left, self._name = graph, steps, name
        self._words = [frozenset({node.op, legal(node.op)}) for node in graph.nodes]
        self._index: dict[str, list[int]] = {}
        for position, words in enumerate(self._words):
            for word in words:
                self._index.setdefault(word, []).append(position)
        self._makers = {n: p for p, node in enumerate(graph.nodes) for n in node.outputs if n != ABSENT}
        self._readers: dict[int, list[int]] = {}
        for position, node in enumerate(graph.nodes):
            for number in dict.fromkeys(node.inputs):
                self._readers.setdefault(number, []).append(position)
        self._constant = {n for p in constant_nodes(graph) for n in graph.nodes[p].outputs}
        self._outputs = set(graph.outputs.values())

    def matches(self, pattern: Pattern) -> Iterator[Match]:
        """Yield the matches of a pattern without optional nodes; the same nodes may come more than once."""
        if all(self._candidates(node) for node in pattern.nodes):
            yield from self._extended(pattern, _State({}, {}, {}))

    def _candidates(self, node: PatternNode) -> list[int]:
        return sorted({position for op in node.ops for position in self._index.get(op, [])})

    def _extended(self, pattern: Pattern, state: _State) -> Iterator[Match]:
        if len(state.nodes) == len(pattern.nodes):
            if self._is_whole(pattern, state):
                yield Match(pattern, dict(state.nodes), dict(state.values))
            return
        node, places = self._next(pattern, state)
        for position in places:
            self._step()
            if position not in state.nodes.values() and self._fits(node, position):
                for following in self._bound(pattern, node, position, state):
                    yield from self._extended(pattern, following)

    def _next(self, pattern: Pattern, state: _State) -> tuple[PatternNode, list[int]]:
        """Return the node to look for next and where it can be: the one with the fewest places."""
        best: tuple[PatternNode, list[int]] | None = None
        for node in pattern.nodes:
            if node.name in state.nodes:
                continue
            places = self._near(pattern, node, state) if state.nodes else self._candidates(node)
            if places is not None and (best is None or len(places) < len(best[1])):
                best = node, places
        if best is None:  # only its own choice of optional nodes takes a pattern apart
            return next((node, []) for node in pattern.nodes if node.name not in state.nodes)
        return best

    def _near(self, pattern: Pattern, node: PatternNode, state: _State) -> list[int] | None:
        """Return where a node can be, next to what is bound; None when it is next to nothing of that."""
        for other in pattern.nodes:
            for ref, number in state.read.get(other.name, ()):
                if ref.name == node.name:
                    return [self._makers[number]] if number in self._makers else []
        numbers = [self._number(ref, state) for ref in node.inputs if ref is not None]
        known = [self._readers.get(number, []) for number in numbers if number is not None]
        return min(known, key=len) if known else None

    def _number(self, ref: Ref, state: _State) -> int | None:
        """Return the tensor that a value is bound to, ABSENT for an output that a node has not."""
        if ref.name not in state.nodes:
            return state.values.get(ref.name)
        outputs = self._graph.nodes[state.nodes[ref.name]].outputs
        return outputs[ref.port] if ref.port < len(outputs) else ABSENT

    def _fits(self, wanted: PatternNode, position: int) -> bool:
        node = self._graph.nodes[position]
        if not wanted.ops & self._words[position] or len(node.inputs) < len(wanted.inputs):
            return False
        if wanted.dtypes and (not node.outputs or self._graph.tensors[node.outputs[0]].dtype not in wanted.dtypes):
            return False
        return all(node.attributes.get(key) in allowed for key, allowed in wanted.attributes.items())

    def _bound(self, pattern: Pattern, wanted: PatternNode, position: int, state: _State) -> Iterator[_State]:
        """Yield the state with a node bound, for each order of inputs in which all agrees."""
        node = self._graph.nodes[position]
        for other in state.read.values():
            for ref, number in other:
                if ref.name == wanted.name and (ref.port >= len(node.outputs) or node.outputs[ref.port] != number):
                    return
        for numbers in _orders(wanted, node):
            self._step()
            values, read = dict(state.values), []
            for value, number in zip(wanted.inputs, numbers, strict=True):
                if value is None:
                    continue
                if not self._agrees(pattern, value, number, state, values):
                    break
                read.append((value, number))
            else:
                yield _State({**state.nodes, wanted.name: position}, values, {**state.read, wanted.name: tuple(read)})

    def _agrees(self, pattern: Pattern, ref: Ref, number: int, state: _State, values: dict[str, int]) -> bool:
        """Return whether a node can read tensor ``number`` as ``ref``; a value from outside is bound to it."""
        if number == ABSENT:
            return False
        inner = next((node for node in pattern.nodes if node.name == ref.name), None)
        if inner is not None:
            if ref.name in state.nodes:
                return self._number(ref, state) == number
            return number in self._makers and self._fits(inner, self._makers[number])
        if ref.name in values:
            return values[ref.name] == number
        values[ref.name] = number
        return self._is(number, pattern.values.get(ref.name, _ANY))

    def _is(self, number: int, wanted: Value) -> bool:
        tensor = self._graph.tensors[number]
        if wanted.constant is not None and wanted.constant != (tensor.constant or number in self._constant):
            return False
        if wanted.dtypes and tensor.dtype not in wanted.dtypes:
            return False
        if wanted.rank is not None and (tensor.shape is None or len(tensor.shape) != wanted.rank):
            return False
        if wanted.number is None or tensor.data is None:
            return True
        with np.errstate(invalid="ignore", over="ignore"):
            return bool(np.all(np.abs(tensor.data.astype(np.float64) - wanted.number) <= wanted.tolerance))

    def _is_whole(self, pattern: Pattern, state: _State) -> bool:
        """Return whether values from outside are from outside, and inner ones are read inside only."""
        inside = set(state.nodes.values())
        if any(self._makers.get(number) in inside for number in state.values.values()):
            return False
        if not pattern.closed:
            return True
        inner = [position for name, position in state.nodes.items() if name not in pattern.outputs]
        numbers = [number for position in inner for number in self._graph.nodes[position].outputs]
        return not any(n in self._outputs or not inside.issuperset(self._readers.get(n, [])) for n in numbers)

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise UserError(f"pattern '{self._name}': it fits too often in this graph, the search was given up; "
                            "say more about its nodes: op, inputs, dtype, attributes")  # fmt: skip


@dataclass(frozen=True)
class _State:
    """How far one attempt has come."""

    nodes: Mapping[str, int]
    values: Mapping[str, int]
    read: Mapping[str, tuple[tuple[Ref, int], ...]]
    """Bound node → what it reads, as the pattern calls it and as the graph has it."""


_ANY = Value()


def _orders(wanted: PatternNode, node: Node) -> Iterator[tuple[int, ...]]:
    """Yield the inputs of a node that a pattern speaks of, in every order that it allows."""
    count = len(wanted.inputs)
    if wanted.any_order and count and len(node.inputs) <= _EXCHANGED:
        yield from dict.fromkeys(permutations(node.inputs, count))
    else:
        yield node.inputs[:count]
