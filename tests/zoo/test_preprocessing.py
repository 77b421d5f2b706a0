"""Preprocessing equals Keras' own, mode by mode."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import preprocessing
from zoo.errors import ZooError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
def test_equals_keras(images: np.ndarray, mode: str) -> None:
    from tf_keras.applications.imagenet_utils import preprocess_input

    expected = preprocess_input(images.astype(np.float32), mode=mode)
    found = preprocessing.apply(images, mode)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_none_keeps_the_pixels_and_the_original(images: np.ndarray) -> None:
    before = images.copy()
    np.testing.assert_array_equal(preprocessing.apply(images, "none"), images)
    preprocessing.apply(images, "caffe")
    np.testing.assert_array_equal(images, before)


def test_one_channel() -> None:
    grey = np.full((1, 2, 2, 1), 255, np.uint8)
    np.testing.assert_array_equal(preprocessing.apply(grey, "tf"), np.ones((1, 2, 2, 1), np.float32))
    with pytest.raises(ZooError, match="'caffe' needs 3 channels, these images have 1"):
        preprocessing.apply(grey, "caffe")


def test_unknown_mode(images: np.ndarray) -> None:
    with pytest.raises(ZooError, match="'pytorch' is unknown; allowed: none, tf, caffe, torch"):
        preprocessing.apply(images, "pytorch")
