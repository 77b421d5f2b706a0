"""Pairs of ports whose values are unknown: by name and shape."""

from __future__ import annotations

from typing import Literal

from harness.graph.model import Graph
from harness.graph.ports.pairs import Pair, likeness, port
from harness.graph.ports.shapes import same, turned


def by_look(before: Graph, after: Graph, side: Literal["inputs", "outputs"]) -> list[Pair]:
    """Pair ports by equal names, then by shapes that only one other has, then by what is most alike."""
    left, right = list(getattr(before, side)), list(getattr(after, side))
    if len(left) == len(right) == 1:
        return [Pair(left[0], right[0], "only")]
    found = []
    for name in [name for name in left if name in right and _shapes_fit(before, after, name, name)]:
        found.append(Pair(name, name, "name", remarks=("by name alone",)))
        left.remove(name)
        right.remove(name)
    for name in left:
        fitting = [one for one in right if _shapes_fit(before, after, name, one)]
        if not fitting:
            continue
        best = max(fitting, key=lambda one, name=name: likeness(name, one))  # type: ignore[misc]
        others = [one for one in fitting if one != best]
        remarks = (f"ambiguous: {', '.join(others)} has the same shape",) if others else ("by shape alone",)
        found.append(Pair(name, best, "shape", remarks=remarks))
        right.remove(best)
    return found


def _shapes_fit(before: Graph, after: Graph, one: str, other: str) -> bool:
    shapes = port(before, one).shape, port(after, other).shape
    if shapes[0] is None or shapes[1] is None:
        return True
    return same(shapes[0], shapes[1]) or turned(shapes[0], shapes[1])
