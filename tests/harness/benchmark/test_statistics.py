"""The statistics are those of pytest-benchmark itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchmark.stats import Stats

from harness.benchmark.statistics import quartiles, stats

TIMES = st.lists(st.integers(1, 10**11).map(lambda ns: ns / 1e9), min_size=1, max_size=60)


@given(TIMES)
def test_every_field_is_as_pytest_benchmark_computes_it(times: list[float]) -> None:
    theirs = Stats()
    for time in times:
        theirs.update(time)
    made = stats(times)
    assert made.pop("data") == times
    assert made.pop("iterations") == 1
    assert set(made) == set(Stats.fields)
    for name in ("rounds", "outliers", "stddev_outliers", "iqr_outliers"):
        assert made[name] == getattr(theirs, name), name
    for name in set(made) - {"outliers"}:
        assert made[name] == pytest.approx(getattr(theirs, name)), name


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_equal_times_have_no_outlier_and_no_spread(count: int) -> None:
    made = stats([0.25] * count)
    assert (made["iqr"], made["stddev"], made["outliers"]) == (0, 0, "0;0")
    assert {made[name] for name in ("min", "max", "mean", "median", "q1", "q3", "ld15iqr", "hd15iqr")} == {0.25}


def test_quartiles_of_a_known_row() -> None:
    assert quartiles([1, 2, 3, 4, 5, 6, 7, 8]) == (2.5, 6.5)
    assert quartiles([6, 7, 15, 36, 39, 40, 41, 42, 43, 47, 49]) == (20.25, 42.75)


def test_no_times_are_an_error() -> None:
    with pytest.raises(ValueError, match="no times"):
        stats([])
