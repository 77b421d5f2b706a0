"""Sums over images, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.insight.errors import CEILING_DB, About, Sums, first_broken, layers, ranked, worst

images = hnp.arrays(np.float32, (3, 4), elements=st.floats(-100, 100, width=32))


@given(st.lists(st.tuples(images, images), min_size=1, max_size=4))
def test_sums_are_those_of_all_images_at_once(pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
    sums = Sums()
    for one, two in pairs:
        sums.add(one, two)
    one, two = (np.concatenate(side).astype(np.float64) for side in zip(*pairs, strict=True))
    noise, signal = ((one - two) ** 2).sum(), (one**2).sum()
    if not signal:
        assert sums.sqnr_db is None
    elif not noise:
        assert sums.sqnr_db == CEILING_DB
    else:
        assert sums.sqnr_db == pytest.approx(min(CEILING_DB, 10 * np.log10(signal / noise)))
    assert sums.max_abs_error == pytest.approx(np.abs(one - two).max())
    if signal and (two**2).sum():
        assert sums.cosine == pytest.approx((one * two).sum() / np.sqrt(signal * (two**2).sum()), abs=1e-9)


def noisy(level: float) -> Sums:
    sums = Sums()
    one = np.ones(100)
    sums.add(one, one * (1 + level))
    return sums


ABOUT = {
    "a": About("CONV_2D", "int8", ()),
    "b": About("CONV_2D", "int8", ("a",)),
    "c": About("ADD", "int8", ("a", "b")),
    "unknown": About("ADD", "int8", ("c",)),
}


def test_what_is_lost_in_a_layer_is_against_the_worst_that_goes_in() -> None:
    found = layers({"a": noisy(0.01), "b": noisy(0.1), "c": noisy(0.5)}, ABOUT)
    assert [one.name for one in found] == ["a", "b", "c"]
    assert [one.sqnr_db for one in found] == pytest.approx([40, 20, 20 * np.log10(2)])
    assert found[0].lost_db is None
    assert found[1].lost_db == pytest.approx(20)
    assert found[2].lost_db == pytest.approx(20 - 20 * np.log10(2))


def test_the_first_broken_layer() -> None:
    found = layers({"a": noisy(0.01), "b": noisy(0.1), "c": noisy(0.5)}, ABOUT)
    broken = first_broken(found, 10)
    assert broken is not None
    assert broken.name == "c"
    assert first_broken(found, 1) is None


def test_the_worst_lose_decibels_that_count() -> None:
    found = layers({"a": noisy(0.001), "b": noisy(0.02), "c": noisy(0.1)}, ABOUT)  # 60, 34, 20 dB
    assert [one.name for one in worst(found)] == ["c", "b", "a"]
    assert [one.name for one in worst(found, 1)] == ["c"]
    assert worst(found, 0) == []
    noise = layers({"a": noisy(0.2), "b": noisy(1.5), "c": noisy(3.0)}, ABOUT)  # 14, -3.5, -9.5 dB
    assert [one.name for one in worst(noise)] == ["a", "b", "c"]


def test_what_goes_in_is_looked_up_through_a_value_without_a_partner() -> None:
    about = {"a": ABOUT["a"], "scaled": About("MUL", "int8", ("a",)), "b": About("CONV_2D", "int8", ("scaled",))}
    found = layers({"a": noisy(0.01), "b": noisy(0.1)}, about)
    assert [one.name for one in found] == ["a", "b"]
    assert found[1].lost_db == pytest.approx(20)


def test_values_that_go_round_in_a_circle_end() -> None:
    about = {"a": About("ADD", "int8", ("b",)), "b": About("ADD", "int8", ("a",))}
    assert [one.lost_db for one in layers({"a": noisy(0.01)}, about)] == [None]


def test_layers_are_ranked_by_the_noise_they_add_those_at_the_input_against_eight_bits() -> None:
    good = layers({"a": noisy(0.01), "b": noisy(0.1), "c": noisy(0.5)}, ABOUT)
    assert [one.name for one in ranked(good)] == ["c", "b", "a"]
    bad = layers({"a": noisy(0.1), "b": noisy(0.11), "c": noisy(0.11)}, ABOUT)
    assert [one.name for one in ranked(bad)] == ["a", "b", "c"]


def test_what_is_noise_altogether_hides_what_comes_after_it() -> None:
    found = layers({"a": noisy(0.01), "b": noisy(1.5), "c": noisy(3.0)}, ABOUT)
    assert [one.name for one in ranked(found)] == ["b", "a", "c"]


def test_what_is_no_number_is_noise_altogether() -> None:
    for value in (np.nan, np.inf):
        sums = Sums()
        sums.add(np.ones(4), np.array([1.0, 1.0, 1.0, value]))
        assert sums.sqnr_db == -CEILING_DB
    tiny = Sums()
    tiny.add(np.full(4, 1e-150), np.full(4, 1e150))
    assert tiny.sqnr_db == pytest.approx(-6000)


def test_a_long_chain_without_partners_is_walked() -> None:
    about = {"0": About("CONV_2D", "int8", ())}
    about |= {str(number): About("ADD", "int8", (str(number - 1),)) for number in range(1, 5000)}
    found = layers({"0": noisy(0.01), "4999": noisy(0.1)}, about)
    assert found[1].lost_db == pytest.approx(20)
