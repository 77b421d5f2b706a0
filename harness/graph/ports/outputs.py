"""Outputs paired by their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.graph.ports.pairs import Pair, Values, likeness
from harness.graph.ports.shapes import difference


def by_values(before: Values, after: Values, tolerance: float) -> list[Pair]:
    """Pair outputs so that the differences are smallest in sum; say what is doubtful."""
    from scipy.optimize import linear_sum_assignment

    names = list(before), list(after)
    distances = np.array([[difference(before[a], after[b]) for b in names[1]] for a in names[0]])
    if not distances.size:
        return []
    alike = np.array([[likeness(a, b) for b in names[1]] for a in names[0]])
    costs = np.minimum(distances, 1e6) - np.where(distances <= tolerance, 1e-9 * alike, 0)
    found = []
    for a, b in zip(*linear_sum_assignment(np.where(np.isinf(distances), 1e9, costs)), strict=True):
        if distances[a, b] <= tolerance:
            remarks = _doubts(names, distances, int(a), int(b), tolerance)
            found.append(Pair(names[0][a], names[1][b], "values", float(distances[a, b]), remarks=remarks))
    return found


def _doubts(names: tuple[list[str], list[str]], distances: Any, a: int, b: int, tolerance: float) -> tuple[str, ...]:
    found = []
    others = [names[1][n] for n in np.flatnonzero(distances[a] <= tolerance) if n != b]
    if others and min(distances[a, names[1].index(one)] for one in others) <= 3 * max(float(distances[a, b]), 1e-6):
        found.append(f"ambiguous: {', '.join(others)} has the same values; taken by name and order")
    if names[0][a] in names[1] and names[0][a] != names[1][b]:
        found.append(f"another output is called '{names[0][a]}', but has other values")
    return tuple(found)
