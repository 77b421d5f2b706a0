"""Statistics that several metrics need; pure functions, no unit of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNITS: dict[str, str] = {}
Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def wilson(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's score interval of a share, fractions in 0…1 (Wilson, JASA 22, 1927).

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    share, square = successes / trials, z * z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return (
        0.0 if successes == 0 else max(0.0, middle - half),
        1.0 if successes == trials else min(1.0, middle + half),
    )


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test from the two counts of discordant pairs; 1 without any.

    Under the null hypothesis each discordant pair falls to either side with probability one half.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts are negative: {only_first}, {only_second}")
    pairs, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(pairs, i) for i in range(fewer + 1))
    return float(min(1.0, 2 * tail / 2**pairs))


def mad(values: ArrayLike) -> float:
    """Return the median absolute deviation from the median, in the unit of ``values``, not scaled."""
    array = np.asarray(values, np.float64)
    return float(np.median(np.abs(array - np.median(array))))


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    repeats: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile 95 % interval of ``statistic``, which maps (repeats, n) float64 to (repeats,)."""
    array = np.asarray(values, np.float64)
    chosen = np.random.default_rng(seed).integers(0, len(array), (repeats, len(array)))
    low, high = np.percentile(statistic(array[chosen]), (2.5, 97.5))
    return float(low), float(high)


def bootstrap_medians(groups: Sequence[ArrayLike], repeats: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the median of group medians: groups are drawn first, then values inside.

    Drawing groups (processes) carries the spread from process to process, which the values of one process
    do not show.
    """
    random = np.random.default_rng(seed)
    ordered = [np.sort(np.asarray(group, np.float64)) for group in groups]
    chosen = random.integers(0, len(ordered), (repeats, len(ordered)))
    drawn = np.empty((repeats, len(ordered)))
    for index, group in enumerate(ordered):
        here = chosen == index
        drawn[here] = resampled_medians(group, int(here.sum()), random)
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return float(low), float(high)


def resampled_medians(ordered: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return ``count`` medians of bootstrap samples of sorted values, without drawing the samples.

    A sample of n with replacement has the k-th smallest value ``ordered[floor(n U)]`` where U is the k-th
    of n uniform numbers, Beta(k, n - k + 1); given it, the next of them is 1 - (1 - U) V^(1/(n - k)).
    """
    n = len(ordered)
    k = (n + 1) // 2
    below = random.beta(k, n - k + 1, count)
    lower = ordered[np.minimum((below * n).astype(np.int64), n - 1)]
    if n % 2:
        return lower
    above = 1 - (1 - below) * random.uniform(size=count) ** (1 / (n - k))
    return (lower + ordered[np.minimum((above * n).astype(np.int64), n - 1)]) / 2


def trend(values: ArrayLike) -> tuple[float, float]:
    """Return (Spearman's correlation of values with their order, its z score); zeros when all are equal."""
    array = np.asarray(values, np.float64)
    ranks, order = _ranks(array), np.arange(len(array), dtype=np.float64)
    if len(array) < 3 or ranks.std() == 0:
        return 0.0, 0.0
    rho = float(np.corrcoef(ranks, order)[0, 1])
    return rho, rho * math.sqrt(len(array) - 1)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 0, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middles: NDArray[np.float64] = ends - (counts + 1) / 2
    return middles[inverse]
