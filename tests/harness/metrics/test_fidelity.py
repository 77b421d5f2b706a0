"""``harness.metrics.fidelity`` on outputs whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import fidelity

RANDOM = np.random.default_rng(0)


def outputs(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_equal_outputs() -> None:
    reference = {"a": outputs(6, 10)}
    values, missing, details = fidelity.compare({"a": reference["a"].copy()}, reference, "a")
    assert not missing
    assert values["agreement"] == 1
    assert values["cosine"] == pytest.approx(1, abs=1e-12)
    assert values["sqnr_db"] == fidelity.SQNR_CEILING_DB
    assert values["max_abs_error"] == 0
    assert values["flat_outputs"] is False
    assert set(values) == set(fidelity.UNITS)
    assert set(details["outputs"]) == {"a"}


def test_figures_by_hand() -> None:
    reference = np.array([[3, 4], [1, 0]], np.float32)
    output = np.array([[4, 3], [1, 0]], np.float32)
    values, _, details = fidelity.compare({"a": output}, {"a": reference}, "a")
    assert values["agreement"] == 0.5
    assert values["cosine"] == pytest.approx((24 / 25 + 1) / 2)
    assert values["sqnr_db"] == pytest.approx(10 * np.log10(26 / 2))
    assert values["max_abs_error"] == 1
    assert details["outputs"]["a"]["cosine_worst"] == pytest.approx(24 / 25)
    assert details["outputs"]["a"]["worst_image"] == 0


@settings(deadline=None)
@given(st.floats(0.001, 1000), st.integers(1, 16))
def test_scaling_leaves_the_cosine_and_sets_the_sqnr(factor: float, images: int) -> None:
    reference = outputs(images, 12)
    scaled = reference * np.float32(factor)
    assert fidelity.cosine(scaled, reference) == pytest.approx(np.ones(images), abs=1e-5)
    noise = fidelity.sqnr_db(scaled, reference)
    assert noise is not None
    if abs(factor - 1) > 0.01:
        assert noise == pytest.approx(-20 * np.log10(abs(factor - 1)), abs=0.05)


@pytest.mark.parametrize("level_db", [10, 40, 80])
def test_sqnr_of_added_noise_is_its_level(level_db: int) -> None:
    reference = outputs(200, 50)
    noise = RANDOM.normal(size=reference.shape) * 10 ** (-level_db / 20)
    assert fidelity.sqnr_db((reference + noise).astype(np.float32), reference) == pytest.approx(level_db, abs=0.3)


def test_the_worst_output_is_published() -> None:
    reference = {"good": outputs(5, 8), "bad": outputs(5, 3, 3, 2)}
    made = {"good": reference["good"].copy(), "bad": -reference["bad"]}
    values, _, details = fidelity.compare(made, reference, "good")
    assert values["agreement"] == 1
    assert values["cosine"] == pytest.approx(-1)
    assert values["sqnr_db"] == pytest.approx(-20 * np.log10(2))
    assert details["outputs"]["good"]["cosine"] == pytest.approx(1)


def test_zeros_have_reasons_or_zero() -> None:
    zeros, some = np.zeros((3, 4), np.float32), outputs(3, 4)
    values, missing, _ = fidelity.compare({"a": some}, {"a": zeros}, "a")
    assert {"cosine", "sqnr_db"} == set(missing)
    assert values["flat_outputs"] is True
    values, missing, _ = fidelity.compare({"a": zeros}, {"a": some}, "a")
    assert not missing
    assert values["cosine"] == 0
    assert values["sqnr_db"] == 0


def test_agreement_needs_a_choice() -> None:
    _, missing, _ = fidelity.compare({"a": outputs(4, 1)}, {"a": outputs(4, 1)}, "a")
    assert set(missing) == {"agreement"}
    segments = np.zeros((1, 2, 2, 3), np.float32)
    segments[0, :, :, 1] = 1
    other = segments.copy()
    other[0, 0, 0, 2] = 2
    assert fidelity.agreement(other, segments) == 0.75


def test_flat_outputs_are_seen() -> None:
    assert fidelity.is_flat(np.full((4, 10), 0.1, np.float32))
    assert fidelity.is_flat(0.1 + 1e-6 * outputs(4, 10))
    assert fidelity.is_flat(np.tile(outputs(1, 10), (4, 1)))  # the image does not matter
    assert not fidelity.is_flat(outputs(1, 10))
    assert not fidelity.is_flat(outputs(4, 1))


def test_other_names_or_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="named"):
        fidelity.compare({"a": outputs(2, 3)}, {"b": outputs(2, 3)}, "a")
    with pytest.raises(ValueError, match="shape"):
        fidelity.compare({"a": outputs(2, 3)}, {"a": outputs(2, 4)}, "a")
