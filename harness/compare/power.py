"""What a comparison can find at all, computed and not hoped for."""

from __future__ import annotations

import math

import numpy as np

from harness.metrics.statistics import mcnemar_exact

POWER = 0.8
"""Share of real changes of a size that are found, for a size to be called detectable."""


def detectable_ratio(noise: float, threshold: float, rounds: int = 1) -> float:
    """Return the slow-down (candidate ÷ base) that a threshold finds in 4 of 5 cases, ``rounds`` processes a side.

    ``noise`` is the spread (CV) of a process's median; medians of a few are about normal.
    """
    from scipy.stats import norm

    return math.exp(math.log1p(threshold) + float(norm.ppf(POWER)) * _spread(noise, rounds))


def false_alarms(noise: float, threshold: float, rounds: int = 1) -> float:
    """Return the probability that equal cells differ by more than a threshold in the direction of slower."""
    from scipy.stats import norm

    spread = _spread(noise, rounds)
    return float(norm.sf(math.log1p(threshold) / spread)) if spread else 0.0


def _spread(noise: float, rounds: int) -> float:
    """Standard deviation of the logarithm of a ratio of two medians; a median costs π/2 in variance from 3 on."""
    return noise * math.sqrt(2 / rounds * (math.pi / 2 if rounds > 2 else 1))


def mcnemar_power(images: int, lost: float, won: float, significance: float = 0.05) -> float:
    """Return how often McNemar's exact test finds a drop: ``lost`` and ``won`` are shares of the images.

    Exact: the number of discordant images is binomial, and so is the side that each falls to.
    """
    from scipy.stats import binom

    if not 0 <= lost + won <= 1 or min(lost, won) < 0:
        raise ValueError(f"shares {lost} and {won}")
    if lost + won == 0:
        return 0.0
    total = 0.0
    for discordant in range(1, images + 1):
        weight = float(binom.pmf(discordant, images, lost + won))
        if weight < 1e-12:
            continue
        fewer = _critical(discordant, significance)
        if fewer >= 0:  # as many as ``fewer`` may be won for the test to call it a drop
            total += weight * float(binom.cdf(fewer, discordant, won / (lost + won)))
    return total


def _critical(discordant: int, significance: float) -> int:
    """Return the largest number on the smaller side at which the test still rejects; -1 when it never does."""
    tails = np.array([mcnemar_exact(k, discordant - k) for k in range(discordant // 2 + 1)])
    return int((tails < significance).sum()) - 1
