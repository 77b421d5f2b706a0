"""When the level of a series changed: change points by PELT (Killick, JASA 107, 2012; the library ``ruptures``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.history.level import spread
from harness.tables.watch import Watch

PENALTY = 4.0
"""Times the logarithm of the number of runs: what one more change point must explain, in variances."""
SPIKE = 3.0
"""Robust standard deviations from the median of its neighbours beyond which a run is a spike (Hampel's filter)."""
_AROUND = 2


@dataclass(frozen=True, slots=True)
class Change:
    """A step between two levels."""

    index: int
    """The first run on the new level."""
    before: float
    """Median of the level before, in the unit of the series."""
    after: float

    @property
    def ratio(self) -> float:
        """After ÷ before."""
        return self.after / self.before


def changes(values: Sequence[float], watch: Watch) -> tuple[Change, ...]:
    """Return where the level of positive values changed by more than ``watch.change``, oldest first."""
    if len(values) < 2 * watch.change_runs:
        return ()
    ends = _ends(np.log(np.asarray(values, np.float64)), watch.change_runs)
    kept = [0, *ends, len(values)]
    while (weak := _weakest(values, kept, watch)) is not None:
        kept.pop(weak)
    levels = [float(np.median(values[a:b])) for a, b in pairwise(kept)]
    return tuple(Change(kept[i], levels[i - 1], levels[i]) for i in range(1, len(levels)))


def _ends(logs: NDArray[np.float64], shortest: int) -> list[int]:
    """Return the inner borders that PELT finds."""
    import ruptures

    noise = spread(logs)
    signal = _without_spikes(logs, noise) / noise
    found = ruptures.KernelCPD(kernel="linear", min_size=shortest).fit(signal.reshape(-1, 1))  # Pelt("l2"), but in C
    return [int(end) for end in found.predict(pen=PENALTY * math.log(len(logs)))[:-1]]


def _without_spikes(logs: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    padded = np.pad(logs, _AROUND, mode="reflect")
    middles = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1), axis=1)
    cleaned: NDArray[np.float64] = np.where(np.abs(logs - middles) > SPIKE * noise, middles, logs)
    return cleaned


def _weakest(values: Sequence[float], borders: Sequence[int], watch: Watch) -> int | None:
    """Return the border with the smallest step, when that is smaller than what counts; None when all count."""
    levels = [math.log(float(np.median(values[a:b]))) for a, b in pairwise(borders)]
    steps = [(abs(levels[i] - levels[i - 1]), i) for i in range(1, len(levels))]
    if not steps or min(steps)[0] >= math.log1p(watch.change):
        return None
    return min(steps)[1]
