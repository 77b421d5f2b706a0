"""Slow drift: what creeps, and what jumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from harness.history.drift import drift
from harness.history.level import standing
from tests.harness.history.conftest import LIMITS, noisy, points

WATCH = LIMITS.history


def creeping(count: int, each: float, seed: int = 0, spread: float = 0.01) -> list[float]:
    steps = np.asarray(noisy(count, spread=spread, seed=seed)) * (1 + each) ** np.arange(count)
    found: list[float] = steps.tolist()
    return found


@pytest.mark.parametrize("each", [0.003, -0.003])
def test_a_drift_that_no_night_shows_is_found_with_its_size(each: float) -> None:
    values = creeping(60, each)
    assert all(s.way == 0 for n in range(10, 61) if (s := standing(points(values[:n]), WATCH)))
    found = drift(values, WATCH)
    assert found is not None
    assert found.runs == 30
    assert found.ratio == pytest.approx((1 + each) ** 29, rel=0.02)
    assert found.p < 1e-4


def test_a_short_series_has_no_drift() -> None:
    assert drift(creeping(29, 0.01), WATCH) is None
    assert drift(creeping(30, 0.01), WATCH) is not None


@pytest.mark.parametrize("begins", range(30, 60, 3))
def test_a_step_is_no_drift_wherever_it_is(begins: int) -> None:
    values = noisy(60, seed=begins)
    values[begins:] = [1.2 * value for value in values[begins:]]
    assert drift(values, WATCH) is None


def test_a_small_trend_does_not_count() -> None:
    assert drift(creeping(60, 0.001, spread=0.0001), WATCH) is None


@examples(max_examples=30)
@given(st.floats(1e-3, 1e4), st.integers(0, 70))
def test_a_constant_series_has_none(value: float, count: int) -> None:
    assert drift([value] * count, WATCH) is None


def test_a_threshold_of_zero_is_no_division_by_it() -> None:
    assert drift([2.0] * 40, replace(WATCH, drift=0.0)) is None
