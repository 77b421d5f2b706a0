"""Splits are disjoint, complete, stratified and never change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.splits import stratified


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0, 1), st.floats(0, 1), st.integers(0, 9))
def test_every_sample_is_in_exactly_one_part(labels: list[int], a: float, b: float, seed: int) -> None:
    first = int(a * len(labels))
    second = int(b * (len(labels) - first))
    parts = stratified(labels, [first, second], seed)
    assert [len(part) for part in parts] == [first, second, len(labels) - first - second]
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))


def test_classes_keep_their_share() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    part, rest = stratified(labels, [20], seed=3)
    assert np.bincount(labels[part]).tolist() == [10, 6, 4]
    assert np.bincount(labels[rest]).tolist() == [40, 24, 16]


def test_the_seed_decides() -> None:
    labels = np.zeros(20)
    first, again, other = (stratified(labels, [10], seed)[0].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert stratified([0] * 6, [3], seed=0)[0].tolist() == [5, 2, 1]


def test_too_many_are_asked_for() -> None:
    with pytest.raises(ValueError, match="cannot take 3 samples out of 2"):
        stratified([0, 1], [2, 1], 0)
