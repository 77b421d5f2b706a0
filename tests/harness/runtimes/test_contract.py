"""What all runtimes share: quantizing, dequantizing, filling a batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import plugins
from harness.errors import StageFailed, Unsupported
from harness.runtimes.contract import TensorSpec, dequantize, from_batch, quantize, single_input, to_batch

DTYPES = ("int8", "uint8", "int16")


def spec(dtype: str, scale: float | None = 0.5, zero_point: int | None = 3) -> TensorSpec:
    return TensorSpec("image", (1, 2), dtype, scale, zero_point)


@settings(deadline=None)
@given(st.sampled_from(DTYPES), st.floats(1e-4, 10), st.integers(-100, 100), st.floats(-1, 1))
def test_in_range_values_come_back_within_half_a_step(dtype: str, scale: float, point: int, where: float) -> None:
    limits = np.iinfo(dtype)
    one = spec(dtype, scale, int(np.clip(point, limits.min, limits.max)))
    low, high = dequantize(np.array([limits.min, limits.max], dtype), one)
    value = np.array([low + (where + 1) / 2 * (high - low)], np.float32)
    stored = quantize(value, one)
    assert stored.dtype == dtype
    assert abs(dequantize(stored, one)[0] - value[0]) <= scale / 2 * 1.01


@settings(deadline=None)
@given(st.sampled_from(DTYPES), st.integers(-128, 127))
def test_every_stored_value_comes_back_as_itself(dtype: str, value: int) -> None:
    stored = np.array([value], np.int64).astype(dtype)
    assert quantize(dequantize(stored, spec(dtype)), spec(dtype)) == stored


def test_quantize_rounds_half_to_even_and_saturates() -> None:
    one = spec("int8", 1.0, 0)
    values = np.array([0.5, 1.5, -0.5, 300, -300], np.float32)
    assert quantize(values, one).tolist() == [0, 2, 0, 127, -128]


def test_floats_pass_and_integers_need_a_scale() -> None:
    values = np.array([0.25], np.float32)
    assert quantize(values, spec("float16", None, None)).dtype == np.float16
    assert quantize(values, spec("float32", None, None)) == values
    with pytest.raises(Unsupported, match="without a scale"):
        quantize(values, spec("int8", None, None))
    assert dequantize(np.array([7], np.int64), spec("int64", None, None)).tolist() == [7.0]


def test_batches_are_filled_and_cut() -> None:
    images = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert to_batch(images, 2) is images
    assert to_batch(images, 4).tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5], [3, 4, 5]]
    for batch, some in ((1, images), (2, images[:0])):
        with pytest.raises(ValueError, match="batch"):
            to_batch(some, batch)
    assert from_batch("scores", images, 1, 2).tolist() == [[0, 1, 2]]
    with pytest.raises(StageFailed, match="scores"):
        from_batch("scores", images, 1, 4)


def test_one_input_and_no_other_number() -> None:
    assert single_input(["image"]) == "image"
    with pytest.raises(Unsupported, match="left, right"):
        single_input(["left", "right"])


@pytest.mark.parametrize("name", plugins.names("runtimes"))
def test_every_runtime_keeps_the_contract(name: str) -> None:
    module = plugins.load("runtimes", name)
    for constant in ("READS", "PACKAGES", "LIBRARIES"):
        found = getattr(module, constant)
        assert isinstance(found, tuple)
        assert all(isinstance(one, str) for one in found)
    assert callable(module.open_session)
    assert plugins.options(module, {"method": name}).batch == 1
