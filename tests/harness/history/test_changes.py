"""Change points: where levels begin, and where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from harness.history.changes import changes
from tests.harness.history.conftest import LIMITS, noisy

WATCH = LIMITS.history


def test_each_level_is_found_with_its_medians() -> None:
    found = changes([*noisy(25), *noisy(20, 2.3, seed=1), *noisy(15, 1.9, seed=2)], WATCH)
    assert [one.index for one in found] == [25, 45]
    assert [one.ratio for one in found] == pytest.approx([1.15, 1.9 / 2.3], rel=0.01)
    assert found[0].after == found[1].before


def test_spikes_and_small_steps_are_none() -> None:
    values = noisy(60)
    values[10] *= 1.5
    values[40] *= 0.5
    assert changes(values, WATCH) == ()
    assert changes([*noisy(40, spread=0.001), *noisy(40, 2.02, spread=0.001)], WATCH) == ()


def test_a_small_step_is_merged_into_the_large_one_beside_it() -> None:
    steady = {"spread": 0.001}
    values = [*noisy(20, **steady), *noisy(20, 2.02, seed=1, **steady), *noisy(20, 2.4, seed=2, **steady)]
    (found,) = changes(values, WATCH)
    assert found.index == 40


def test_a_short_series_has_none() -> None:
    assert changes([], WATCH) == ()
    assert changes([1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0], WATCH) == ()


@examples(max_examples=30)
@given(st.floats(1e-3, 1e4), st.integers(0, 70))
def test_a_constant_series_has_none(value: float, count: int) -> None:
    assert changes([value] * count, WATCH) == ()


@examples(max_examples=30)
@given(st.integers(8, 30), st.integers(8, 30), st.sampled_from([0.7, 1.3]), st.integers(0, 10_000))
def test_a_planted_step_of_30_percent_is_found_where_it_is(first: int, second: int, by: float, seed: int) -> None:
    values = noisy(first + second, spread=0.02, seed=seed)
    values[first:] = [by * value for value in values[first:]]
    found = changes(values, WATCH)
    assert min(abs(one.index - first) for one in found) <= 1
