"""Slow drift: what no single night shows. Mann–Kendall's test for a trend, Theil–Sen's slope for its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tables.watch import Watch

HALF = 0.25
"""Share of the whole drift that either half must have by itself: a step, which lies in one of them, has not."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A trend over the last runs of a series."""

    runs: int
    ratio: float
    """Last ÷ first, by the slope: above 1 is slower."""
    p: float


def drift(values: Sequence[float], watch: Watch) -> Drift | None:
    """Return the trend of positive values over the last ``watch.drift_window`` of them; None where there is none."""
    from scipy.stats import kendalltau

    if len(values) < watch.drift_window:
        return None
    logs = np.log(np.asarray(values[-watch.drift_window :], np.float64))
    size = _rise(logs)
    if size == 0 or abs(size) < math.log1p(watch.drift):
        return None
    p = float(kendalltau(np.arange(len(logs)), logs).pvalue)
    half = len(logs) // 2
    steady = all(_rise(part) / size >= HALF for part in (logs[:half], logs[-half:]))
    return Drift(len(logs), math.exp(size), p) if steady and p < watch.drift_significance else None


def _rise(logs: NDArray[np.float64]) -> float:
    """Return slope × length: the median of the slopes of all pairs (Sen, JASA 63, 1968)."""
    first, second = np.triu_indices(len(logs), 1)
    return float(np.median((logs[second] - logs[first]) / (second - first))) * (len(logs) - 1)
