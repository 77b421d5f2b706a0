"""``harness.metrics.statistics`` against SciPy and by properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.metrics import statistics

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(counts)
def test_wilson_equals_scipy(case: tuple[int, int]) -> None:
    successes, trials = case
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert statistics.wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(deadline=None)
@given(counts)
def test_wilson_holds_the_share_and_stays_in_bounds(case: tuple[int, int]) -> None:
    low, high = statistics.wilson(*case)
    assert 0 <= low <= case[0] / case[1] <= high <= 1
    assert low < high


@pytest.mark.parametrize("case", [(0, 0), (5, 4), (-1, 4)])
def test_wilson_refuses_impossible_counts(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="successes"):
        statistics.wilson(*case)


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_equals_scipys_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert statistics.mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)
    assert statistics.mcnemar_exact(first, second) == statistics.mcnemar_exact(second, first)


def test_mcnemar_by_hand_and_refusal() -> None:
    assert statistics.mcnemar_exact(0, 6) == 2 / 2**6
    assert statistics.mcnemar_exact(3, 3) == 1
    with pytest.raises(ValueError, match="negative"):
        statistics.mcnemar_exact(-1, 3)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_mad_equals_scipy(values: list[float]) -> None:
    assert statistics.mad(values) == pytest.approx(stats.median_abs_deviation(values), abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=60).filter(lambda v: len(set(v)) > 1))
def test_trend_equals_scipys_spearman_with_ties(values: list[int]) -> None:
    rho, z = statistics.trend(values)
    assert rho == pytest.approx(stats.spearmanr(values, range(len(values))).statistic, abs=1e-9)
    assert z == pytest.approx(rho * math.sqrt(len(values) - 1))


def test_trend_of_constant_values_is_none() -> None:
    assert statistics.trend([7.0] * 100) == (0.0, 0.0)


@pytest.mark.parametrize("size", [1, 2, 5, 8, 31])
def test_resampled_medians_are_distributed_as_medians_of_drawn_samples(size: int) -> None:
    values = np.sort(np.random.default_rng(1).lognormal(size=size))
    fast = statistics.resampled_medians(values, 20000, np.random.default_rng(2))
    drawn = np.median(np.random.default_rng(3).choice(values, (20000, size)), axis=1)
    for value in np.unique(drawn):
        assert (fast <= value + 1e-9).mean() == pytest.approx((drawn <= value + 1e-9).mean(), abs=0.02)


def test_bootstrap_medians_carry_the_spread_between_groups() -> None:
    random = np.random.default_rng(0)
    alike = [random.normal(10, 0.1, 200) for _ in range(5)]
    apart = [random.normal(mean, 0.1, 200) for mean in (9, 9.5, 10, 10.5, 11)]
    near, far = statistics.bootstrap_medians(alike), statistics.bootstrap_medians(apart)
    assert near[0] < 10 < near[1]
    assert near[1] - near[0] < 0.1
    assert far[1] - far[0] > 0.9


def test_bootstrap_is_repeatable_and_covers() -> None:
    def mean(drawn: np.ndarray) -> np.ndarray:
        result: np.ndarray = drawn.mean(axis=1)
        return result

    random, inside = np.random.default_rng(5), 0
    for _ in range(200):
        values = list(random.normal(0, 1, 40))
        low, high = statistics.bootstrap(values, mean, repeats=300)
        assert (low, high) == statistics.bootstrap(values, mean, repeats=300)
        inside += low <= 0 <= high
    assert 0.88 <= inside / 200 <= 0.99
