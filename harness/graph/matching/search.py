"""Subgraph matching: every place where a pattern's nodes lie in a graph, by backtracking along what is read.

The search begins at the node whose operator is the rarest in the graph and goes on only to neighbours of what it has,
so a graph of thousands of nodes costs little; a limit on the steps holds for patterns that fit everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from harness.errors import UserError
from harness.graph.families import family
from harness.graph.matching.pattern import Pattern, PatternNode, Ref, Value, variants
from harness.graph.matching.view import View, Wires
from harness.graph.model import ABSENT, Graph, Node

STEPS = 1_000_000
_EXCHANGED = 4
"""Most inputs of a node that are tried in every order; with more, they count as they stand."""
_ANY = Value()


@dataclass(frozen=True)
class Match:
    """One place where a pattern was found."""

    pattern: Pattern
    """Without those of its optional nodes that are not there."""
    nodes: Mapping[str, int]
    """Name in the pattern → position in the graph's nodes."""
    values: Mapping[str, int]
    """Name of a value from outside → tensor number."""
    passed: frozenset[int] = frozenset()
    """Positions of what stands between the nodes, see ``Pattern.through``."""

    @cached_property
    def positions(self) -> frozenset[int]:
        """Return the positions of all nodes."""
        return self.passed.union(self.nodes.values())


def find(graph: Graph, pattern: Pattern, legal: Callable[[str], str] = family, steps: int = STEPS) -> list[Match]:
    """Return all matches, in the order of the graph's nodes; one within a larger one is left out.

    Args:
        legal: operator of the file → its word in a vocabulary that the pattern may use as well.
        steps: nodes to try at most.

    Raises:
        UserError: the pattern fits so often that ``steps`` are not enough.
        StageFailed: ``broken_file``, for a graph with a cycle.
    """
    view, budget = View(graph, legal), _Budget(steps, pattern.name)
    found = [match for variant in variants(pattern) for match in _Search(view, variant, budget).matches()]
    return largest(found)


def largest(matches: Iterable[Match]) -> list[Match]:
    """Return matches without those that lie within another one, in the order of the graph's nodes."""
    found: dict[frozenset[int], Match] = {}
    members: dict[int, list[frozenset[int]]] = {}
    for match in sorted(matches, key=lambda one: -len(one.positions)):
        key = match.positions
        if not any(key <= other for other in members.get(min(key), [])):
            found[key] = match
            for position in key:
                members.setdefault(position, []).append(key)
    return sorted(found.values(), key=lambda one: sorted(one.positions))


class _Budget:
    """Steps that are left."""

    def __init__(self, steps: int, name: str) -> None:
        self._left, self._name = steps, name

    def spend(self) -> None:
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


class _Search:
    """One pattern without optional nodes in one graph."""

    def __init__(self, view: View, pattern: Pattern, budget: _Budget) -> None:
        self._view, self._pattern, self._budget = view, pattern, budget
        self._inner = {node.name: node for node in pattern.nodes}
        self._wires: Wires = view.wires

    def matches(self) -> Iterator[Match]:
        """Yield the matches; the same nodes may come more than once."""
        if all(self._view.candidates(node) for node in self._pattern.nodes):
            self._wires = self._view.through(self._pattern.through) if self._pattern.through else self._view.wires
            yield from self._extended(_State({}, {}, {}))

    def _extended(self, state: _State) -> Iterator[Match]:
        if len(state.nodes) == len(self._inner):
            passed = self._view.between(state.nodes.values(), self._wires)
            if self._is_whole(state, passed):
                yield Match(self._pattern, state.nodes, state.values, passed)
            return
        node, places = self._next(state)
        for position in places:
            self._budget.spend()
            if position not in state.nodes.values() and self._view.fits(node, position):
                for following in self._bound(node, position, state):
                    yield from self._extended(following)

    def _next(self, state: _State) -> tuple[PatternNode, list[int]]:
        """Return the node to look for next and where it can be: the one with the fewest places."""
        found: list[tuple[PatternNode, list[int]]] = []
        for node in self._pattern.nodes:
            if node.name not in state.nodes:
                places = self._near(node, state) if state.nodes else self._view.candidates(node)
                if places is not None:
                    found.append((node, places))
        lost = next(node for node in self._pattern.nodes if node.name not in state.nodes)
        return min(found, key=lambda one: len(one[1]), default=(lost, []))

    def _near(self, node: PatternNode, state: _State) -> list[int] | None:
        """Return where a node can be, next to what is bound; None when it is next to nothing of that."""
        for read in state.read.values():
            for ref, number in read:
                if ref.name == node.name:
                    return [self._view.makers[number]] if number in self._view.makers else []
        known = [self._readers(ref, state) for ref in node.inputs if ref is not None]
        return min((one for one in known if one is not None), key=len, default=None)

    def _readers(self, ref: Ref, state: _State) -> list[int] | None:
        """Return who reads a bound value, None when it is not bound."""
        if ref.name in state.nodes:
            return self._wires.readers.get(self._output(ref, state), [])
        return self._view.wires.readers.get(state.values[ref.name], []) if ref.name in state.values else None

    def _output(self, ref: Ref, state: _State) -> int:
        """Return the tensor that a bound node gives, ABSENT for an output that it has not."""
        outputs = self._view.graph.nodes[state.nodes[ref.name]].outputs
        return outputs[ref.port] if ref.port < len(outputs) else ABSENT

    def _bound(self, wanted: PatternNode, position: int, state: _State) -> Iterator[_State]:
        """Yield the state with a node bound, for each order of inputs in which all agrees."""
        node = self._view.graph.nodes[position]
        nodes = {**state.nodes, wanted.name: position}
        asked = [one for read in state.read.values() for one in read if one[0].name == wanted.name]
        if any(ref.port >= len(node.outputs) or node.outputs[ref.port] != number for ref, number in asked):
            return
        for places in _orders(wanted, node):
            self._budget.spend()
            values, read = dict(state.values), []
            for ref, place in zip(wanted.inputs, places, strict=True):
                number, behind = node.inputs[place], self._wires.inputs[position][place]
                if ref is not None and not self._agrees(ref, number, behind, state, values):
                    break
                read += [(ref, behind)] if ref is not None else []
            else:
                yield _State(nodes, values, {**state.read, wanted.name: tuple(read)})

    def _agrees(self, ref: Ref, number: int, behind: int, state: _State, values: dict[str, int]) -> bool:
        """Return whether a node can read a tensor, or the one behind it, as ``ref``; a value from outside is bound."""
        if number == ABSENT:
            return False
        if ref.name in state.nodes:
            return self._output(ref, state) == behind
        if ref.name in self._inner:
            makers = self._view.makers
            return behind in makers and self._view.fits(self._inner[ref.name], makers[behind])
        if ref.name in values:
            return values[ref.name] == number
        values[ref.name] = number
        return self._view.is_value(number, self._pattern.values.get(ref.name, _ANY))

    def _is_whole(self, state: _State, passed: frozenset[int]) -> bool:
        """Return whether values from outside are from outside, and inner ones are read inside only."""
        inside = passed.union(state.nodes.values())
        if any(self._view.makers.get(number) in inside for number in state.values.values()):
            return False
        if not self._pattern.closed:
            return True
        inner = [position for name, position in state.nodes.items() if name not in self._pattern.outputs]
        numbers = [n for position in (*inner, *passed) for n in self._view.graph.nodes[position].outputs]
        readers = self._view.wires.readers
        return not any(n in self._view.outputs or not inside.issuperset(readers.get(n, [])) for n in numbers)


def _orders(wanted: PatternNode, node: Node) -> Iterator[tuple[int, ...]]:
    """Yield the places of those inputs of a node that a pattern speaks of, in every order that it allows."""
    count = len(wanted.inputs)
    if wanted.any_order and count and len(node.inputs) <= _EXCHANGED:
        yield from permutations(range(len(node.inputs)), count)
    else:
        yield tuple(range(count))
