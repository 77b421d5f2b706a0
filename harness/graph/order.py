"""Nodes in the order in which they can run."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from harness.errors import StageFailed
from harness.graph.model import Graph

_LATER = frozenset({"NextIteration", "RefNextIteration"})
"""What they give is read in the next turn of a loop of TensorFlow 1, so it closes no cycle."""


def ordered(graph: Graph) -> list[int]:
    """Return the positions of all nodes, each after what it reads, otherwise as they are in the file.

    Raises:
        StageFailed: ``broken_file``, when nodes wait for each other.
    """
    readers, missing = _edges(graph)
    ready = [position for position, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    done: list[int] = []
    while ready:
        position = heapq.heappop(ready)
        done.append(position)
        for reader in readers[position]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(done) < len(graph.nodes):
        names = " → ".join(graph.nodes[position].name for position in _cycle(readers, missing))
        raise StageFailed(f"its nodes wait for each other: {names}", "broken_file")
    return done


def _edges(graph: Graph) -> tuple[list[list[int]], list[int]]:
    """Return who reads each node, and how many nodes each one waits for."""
    makers = {number: position for position, node in enumerate(graph.nodes) for number in node.outputs if number >= 0}
    readers: list[list[int]] = [[] for _ in graph.nodes]
    missing = [0] * len(graph.nodes)
    for position, node in enumerate(graph.nodes):
        for maker in {makers[number] for number in node.inputs if number in makers}:
            if graph.nodes[maker].op not in _LATER:
                readers[maker].append(position)
                missing[position] += 1
    return readers, missing


def _cycle(readers: list[list[int]], missing: list[int]) -> Iterator[int]:
    """Yield the nodes of one cycle, its first one again at the end, at most eight of them."""
    waits = {reader: position for position, found in enumerate(readers) if missing[position] for reader in found}
    position = next(position for position, count in enumerate(missing) if count)
    seen: list[int] = []
    while position not in seen:
        seen.append(position)
        position = waits[position]
    loop = [*seen[seen.index(position) :], position]
    yield from reversed(loop[-8:])
