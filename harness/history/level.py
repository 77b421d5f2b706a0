"""The rolling-median rule: whether the newest of many latencies stands out from those before it.

One night over the one before is not enough to go by: with a spread of 2 % and a spike in 20 nights such a rule cries
in one night of ten. A median of many nights does not move with a spike, the threshold follows the spread of the
series, and a night is believed when all of its processes say so, or the next night says it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.history.tracks import Point
from harness.tables.watch import Watch

NORMAL = 1.4826
"""Standard deviation of normal values over their median absolute deviation."""
NEAR = 3
"""Runs apart, at most, of two that are neighbours."""
SMALLEST_SPREAD = 0.002
"""Nothing measured is steadier than this, share."""


@dataclass(frozen=True, slots=True)
class Level:
    """What the runs before say."""

    median: float
    """ms"""
    factor: float
    """A run stands out when it is so many times the median, or the median so many times the run."""
    runs: int

    def way(self, value: float) -> int:
        """Return 1 for a value that stands out above, -1 for one below, 0 for neither."""
        return self._above(value) - self._above(self.median**2 / value)

    def _above(self, value: float) -> bool:
        return value > self.median * self.factor


@dataclass(frozen=True, slots=True)
class Standing:
    """How the newest run of a series stands."""

    level: Level
    ratio: float
    """Newest run ÷ median before: above 1 is slower."""
    way: int
    """1: it stands out as slower, -1: as faster, 0: it does not stand out."""
    row: int
    """Runs that say so, one after another; 1 when the processes of the newest are enough."""


def level(before: Sequence[float], watch: Watch) -> Level | None:
    """Return what is normal after some latencies, ms, oldest first; None when they are too few."""
    kept = before[-watch.window :]
    if len(kept) < watch.fewest:
        return None
    size = max(math.log1p(watch.latency), watch.spreads * spread(np.log(before[-watch.spread_window :])))
    return Level(float(np.median(kept)), math.exp(size), len(kept))


def spread(logs: NDArray[np.float64]) -> float:
    """Return the robust standard deviation of a series about its level, as a share, from the steps between neighbours.

    A series that came to a new level has few large steps, and the median of many does not mind; neighbours up to
    ``NEAR`` apart give more of them than the nearest alone.
    """
    steps = np.concatenate([logs[apart:] - logs[:-apart] for apart in range(1, min(NEAR + 1, len(logs)))])
    return max(SMALLEST_SPREAD, NORMAL * float(np.median(np.abs(steps))) / math.sqrt(2))


def standing(points: Sequence[Point], watch: Watch) -> Standing | None:
    """Return how the last of some points stands; None when there are too few before it."""
    *before, last = points
    normal = level([point.value for point in before], watch)
    if normal is None:
        return None
    ratio = last.value / normal.median
    alone = _alone(last, normal)
    if alone:
        return Standing(normal, ratio, alone, 1)
    return _in_a_row(points, watch) or Standing(normal, ratio, 0, 0)


def _alone(point: Point, normal: Level) -> int:
    """Return the way that a run stands out with the near end of its interval; 0 without an interval."""
    if point.low is None or point.high is None:
        return 0
    way = normal.way(point.value)
    near = point.low if way > 0 else point.high
    return way if way and normal.way(near) == way else 0


def _in_a_row(points: Sequence[Point], watch: Watch) -> Standing | None:
    """Return how the last few runs stand when they all stand out the same way from what was before them."""
    newest = points[-watch.in_a_row :]
    normal = level([point.value for point in points[: -watch.in_a_row]], watch)
    if normal is None:
        return None
    ways = {normal.way(point.value) for point in newest}
    if len(ways) != 1 or 0 in ways:
        return None
    return Standing(normal, newest[-1].value / normal.median, ways.pop(), len(newest))
