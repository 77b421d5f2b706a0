"""The rolling-median rule on series of numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history.level import Standing, level, spread, standing
from tests.harness.history.conftest import LIMITS, noisy, points

WATCH = LIMITS.history
LEVELS = st.floats(0.01, 10_000, allow_nan=False)


def way(values: list[float], near: list[tuple[float, float]] | None = None) -> int | None:
    found = standing(points(values, near), WATCH)
    return None if found is None else found.way


def test_too_few_runs_before_are_not_judged() -> None:
    assert standing(points([2.0] * 5), WATCH) is None
    assert standing(points([2.0] * 5 + [9.0]), WATCH) == Standing(level([2.0] * 5, WATCH), 4.5, 0, 0)  # type: ignore[arg-type]


def test_a_single_process_is_believed_when_the_next_night_says_it_again() -> None:
    usual = noisy(20)
    assert way([*usual, 2.3]) == 0
    found = standing(points([*usual, 2.3, 2.31]), WATCH)
    assert found is not None
    assert (found.way, found.row) == (1, 2)
    assert found.ratio == pytest.approx(2.31 / 2.0, rel=0.01)
    assert way([*usual, 2.3, 2.0]) == 0
    assert way([*usual, 2.3, 2.0, 2.3]) == 0
    assert way([*usual, 1.7, 2.3]) == 0
    assert way([*usual, 1.7, 1.71]) == -1


def test_processes_that_agree_are_believed_at_once() -> None:
    usual = noisy(20)
    quiet = [(v * 0.99, v * 1.01) for v in usual]
    found = standing(points([*usual, 2.3], [*quiet, (2.2, 2.4)]), WATCH)
    assert found is not None
    assert (found.way, found.row) == (1, 1)
    assert way([*usual, 2.3], [*quiet, (2.01, 2.4)]) == 0
    assert way([*usual, 1.7], [*quiet, (1.6, 1.75)]) == -1
    assert way([*usual, 1.7], [*quiet, (1.6, 1.99)]) == 0


def test_the_threshold_follows_the_spread_of_a_series() -> None:
    calm, wild = (level(noisy(42, spread=s), WATCH) for s in (0.005, 0.06))
    assert calm is not None
    assert wild is not None
    assert calm.factor == pytest.approx(1.05)
    assert wild.factor == pytest.approx(np.exp(2.3 * 0.06), rel=0.08)
    assert way([*noisy(42, spread=0.06), 2.15, 2.15]) == 0
    assert way([*noisy(42, spread=0.005), 2.15, 2.15]) == 1


def test_a_level_that_has_lasted_is_the_new_normal() -> None:
    usual, slow = noisy(20), noisy(20, 2.3, seed=1)
    told = [way([*usual, *slow[:n]]) for n in range(1, 20)]
    assert told[1:6] == [1] * 5
    assert told[-6:] == [0] * 6


def test_the_spread_does_not_mind_a_step_or_a_spike() -> None:
    calm = np.log(noisy(40))
    moved = calm + 0.3 * (np.arange(40) >= 20)
    moved[[5, 30]] += 0.4
    assert spread(moved) == pytest.approx(spread(calm), rel=0.35)
    assert spread(np.zeros(10)) == 0.002


@given(LEVELS, st.integers(7, 60))
def test_a_constant_series_never_stands_out(value: float, count: int) -> None:
    assert way([value] * count) == 0


@given(
    st.lists(st.floats(0.98, 1.02), min_size=6, max_size=50),
    st.lists(st.floats(0.98, 1.02), min_size=2, max_size=3),
    LEVELS,
    st.sampled_from([1, -1]),
)
def test_a_step_of_30_percent_is_found_in_two_nights(
    before: list[float], after: list[float], scale: float, where: int
) -> None:
    values = [scale * v for v in before] + [scale * v * 1.3**where for v in after]
    assert way(values) == where


@given(st.lists(st.floats(0.5, 2.0), min_size=8, max_size=40), st.sampled_from([2.0**-10, 2.0**7]))
def test_the_unit_does_not_matter(values: list[float], scale: float) -> None:
    found, scaled = (standing(points([s * v for v in values]), WATCH) for s in (1.0, scale))
    assert found is not None
    assert scaled is not None
    assert scaled.ratio == found.ratio
    assert (scaled.way, scaled.row) == (found.way, found.row)


@given(st.lists(st.floats(0.99, 1.01), min_size=12, max_size=20), st.integers(0, 11), st.floats(1.2, 50))
def test_a_single_spike_anywhere_alarms_nobody(values: list[float], where: int, height: float) -> None:
    values[where] *= height
    assert all(way(values[:n]) in (0, None) for n in range(2, len(values) + 1))


def test_one_run_is_enough_when_that_is_asked_for() -> None:
    once = replace(WATCH, in_a_row=1)
    found = standing(points([*noisy(10), 2.3]), once)
    assert found is not None
    assert (found.way, found.row) == (1, 1)
