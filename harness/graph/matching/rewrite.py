"""Put something else in the place of matches, in the typed graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.graph.matching.pattern import Rewrite
from harness.graph.matching.search import Match
from harness.graph.matching.view import followed
from harness.graph.model import ABSENT, Graph, Node


def apart(matches: Iterable[Match]) -> list[Match]:
    """Return matches that share no node, the earlier one of two that do."""
    taken: set[int] = set()
    found = []
    for match in matches:
        if not match.positions & taken:
            found.append(match)
            taken |= match.positions
    return found


def rewritten(graph: Graph, matches: Iterable[Match]) -> Graph:
    """Return a graph in which each match is what its pattern's ``rewrite`` says; of two that overlap, the first.

    Tensors keep their numbers. What was computed only for nodes that are gone is gone as well.
    Raises ``ValueError`` for a match whose pattern has no rewriting.
    """
    chosen = apart(matches)
    ways = {result(graph, match): way(match) for match in chosen if plan(match).verb == "bypass"}
    fused = {_last(match): match for match in chosen if plan(match).verb == "fuse"}
    inside = {position for match in chosen for position in match.positions}
    nodes = [
        _fused(graph, fused[position]) if position in fused else node
        for position, node in enumerate(graph.nodes)
        if position in fused or position not in inside
    ]
    nodes = [replace(node, inputs=tuple(followed(ways, number) for number in node.inputs)) for node in nodes]
    outputs = {name: followed(ways, number) for name, number in graph.outputs.items()}
    return replace(graph, nodes=_read_only(graph, nodes, set(outputs.values())), outputs=outputs)


def plan(match: Match) -> Rewrite:
    """Return what to put in the place of a match. Raises ``ValueError`` where its pattern does not say."""
    if match.pattern.rewrite is None:
        raise ValueError(f"the pattern '{match.pattern.name}' does not say what to put in its place")
    return match.pattern.rewrite


def way(match: Match) -> int:
    """Return the tensor that goes on when a match is bypassed."""
    return match.values[plan(match).inputs[0]]


def result(graph: Graph, match: Match) -> int:
    """Return the tensor that a match gives: the first output of its last node."""
    return graph.nodes[_last(match)].outputs[0]


def _last(match: Match) -> int:
    return match.nodes[match.pattern.outputs[0]]


def _fused(graph: Graph, match: Match) -> Node:
    """Return the one node that does what all nodes of a match did."""
    last = graph.nodes[_last(match)]
    inputs = tuple(match.values.get(name, ABSENT) for name in plan(match).inputs)
    return Node(plan(match).op, last.name, inputs, last.outputs, custom=True, scope=last.scope)


def _read_only(graph: Graph, nodes: Sequence[Node], wanted: set[int]) -> tuple[Node, ...]:
    """Return nodes without those whose results were read and now are not."""
    kept = list(nodes)
    while True:
        read = wanted.union(*(node.inputs for node in kept))
        left = [node for node in kept if not _is_idle(graph, node, read)]
        if len(left) == len(kept):
            return tuple(kept)
        kept = left


def _is_idle(graph: Graph, node: Node, read: set[int]) -> bool:
    return any(n in graph.consumers for n in node.outputs) and not read & set(node.outputs)
