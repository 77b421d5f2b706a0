"""Corrections for many tests: against a known example, and what must hold for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare.correction import Test, adjusted, benjamini_hochberg, holm

P = st.floats(0, 1)


def test_holm_and_benjamini_hochberg_of_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []


@given(st.lists(P, min_size=1, max_size=30))
def test_correcting_keeps_the_order_and_never_makes_smaller(values: list[float]) -> None:
    for corrected in (holm(values), benjamini_hochberg(values)):
        assert all(0 <= p <= q <= 1 or q == pytest.approx(p) for p, q in zip(values, corrected, strict=True))
        ranked = [q for _, q in sorted(zip(values, corrected, strict=True))]
        assert ranked == sorted(ranked)


def test_tests_that_cannot_reject_take_nothing_from_one_that_can() -> None:
    """A night: 39 cells with the predictions of yesterday, one with nine images lost."""
    silent, loud = Test(1.0, 1.0), Test(0.0039, 0.0039)
    found = adjusted([*[silent] * 39, loud], 0.05)
    assert found[:39] == [None] * 39
    assert found[39] == pytest.approx(0.0039)
    assert adjusted([*[silent] * 39, loud], 0.05, "benjamini_hochberg")[39] == pytest.approx(0.0039)
    assert holm([1.0] * 39 + [0.0039])[39] > 0.05  # what would have become of it


def test_three_against_three_processes_decide_nothing_among_many_cells() -> None:
    assert adjusted([Test(0.1, 0.1)] * 20, 0.05) == [None] * 20


@given(st.lists(st.tuples(P, P), max_size=30))
def test_what_rejects_could_reject_and_no_more_than_plain_holm_would_of_those(pairs: list[tuple[float, float]]) -> None:
    tests = [Test(max(p, floor), floor) for p, floor in pairs]
    found = adjusted(tests, 0.05)
    kept = [t.p for t, q in zip(tests, found, strict=True) if q is not None]
    assert [q for q in found if q is not None] == holm(kept)
    assert all(t.floor <= 0.05 for t, q in zip(tests, found, strict=True) if q is not None)
