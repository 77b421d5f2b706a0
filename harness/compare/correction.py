"""Many tests at once: p-values corrected for their number.

A discrete test of few data cannot fall below some p, however large the effect. Such a test cannot raise a false alarm
either, so it takes nothing from the others (Tarone, Biometrics 46, 1990; for the false discovery rate Gilbert 2005).
In a night's comparison most cells have predictions equal to yesterday's: without this, they would drown the one that
has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Test:
    """The outcome of one test."""

    __test__ = False

    p: float
    floor: float
    """The smallest p that these data could have given."""


def adjusted(
    tests: Sequence[Test], significance: float, method: Literal["holm", "benjamini_hochberg"] = "holm"
) -> list[float | None]:
    """Return each test's p, corrected for all; None for a test that could not have rejected."""
    able = _able(tests, significance) if method == "holm" else [t.floor <= significance for t in tests]
    kept = [i for i, one in enumerate(able) if one]
    values = [tests[i].p for i in kept]
    corrected = holm(values) if method == "holm" else benjamini_hochberg(values)
    found: list[float | None] = [None] * len(tests)
    for i, p in zip(kept, corrected, strict=True):
        found[i] = p
    return found


def _able(tests: Sequence[Test], significance: float) -> list[bool]:
    """Say which tests take part: floors within a K-th of the significance, K the least that holds them all."""
    for k in range(1, len(tests) + 1):
        able = [test.floor <= significance / k for test in tests]
        if sum(able) <= k:
            return able
    return [False] * len(tests)


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found, worst = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[i]))
        found[i] = worst
    return found


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Return p-values that keep the false discovery rate (JRSS B 57, 1995)."""
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(values)] if values else []
