"""The computed power against simulation: the numbers that reports state must be true."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.compare.power import detectable_ratio, false_alarms, mcnemar_power
from harness.metrics.statistics import mcnemar_exact


def test_the_detectable_ratio_is_found_in_four_of_five_cases() -> None:
    random = np.random.default_rng(1)
    ratio = detectable_ratio(0.02, 0.1)
    logs = random.normal(0, 0.02, (2, 200_000))
    assert (math.log(ratio) + logs[0] - logs[1] > math.log1p(0.1)).mean() == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("rounds", [1, 15])
def test_the_rate_of_false_alarms_is_that_of_medians(rounds: int) -> None:
    random = np.random.default_rng(2)
    logs = np.median(random.normal(0, 0.03, (2, 100_000, rounds)), axis=2)
    assert (logs[0] - logs[1] > math.log1p(0.02)).mean() == pytest.approx(false_alarms(0.03, 0.02, rounds), rel=0.1)


def test_no_noise_gives_no_alarm() -> None:
    assert false_alarms(0, 0.05) == 0


@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.0), (0.03, 0.01), (0.02, 0.02)])
def test_the_power_of_mcnemar_is_that_of_simulated_images(lost: float, won: float) -> None:
    random = np.random.default_rng(3)
    drawn = random.multinomial(450, [lost, won, 1 - lost - won], 4000)
    found = np.mean([a > b and mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in drawn])
    assert mcnemar_power(450, lost, won) == pytest.approx(found, abs=0.025)


def test_shares_that_are_none_are_refused() -> None:
    assert mcnemar_power(100, 0, 0) == 0
    with pytest.raises(ValueError, match="shares"):
        mcnemar_power(100, 0.9, 0.2)
