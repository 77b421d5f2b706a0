"""The digits: always the same disjoint, stratified split of real images."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from zoo.data import digits
from zoo.dataset import Split
from zoo.errors import ZooError


def collect(split: Split | None) -> tuple[np.ndarray, np.ndarray]:
    assert split is not None
    samples = list(split.samples)
    assert len(samples) == split.count
    return np.stack([image for image, _ in samples]), np.array([label for _, label in samples])


def test_split_is_disjoint_stratified_and_complete() -> None:
    dataset = digits.load({}, (8, 8, 1), 0)
    parts = [collect(one) for one in (dataset.evaluation, dataset.calibration, dataset.train)]
    assert [len(images) for images, _ in parts] == [450, 150, 1197]
    for _, labels in parts:
        shares = np.bincount(labels, minlength=10) / len(labels)
        assert shares.min() > 0.085
        assert shares.max() < 0.115
    hashes = [{hashlib.sha256(image.tobytes()).hexdigest() for image in images} for images, _ in parts]
    assert not hashes[0] & hashes[1]
    assert not hashes[0] & hashes[2]
    assert not hashes[1] & hashes[2]
    assert sum(map(len, hashes)) == 1797


def test_seed_and_size_do_not_move_the_split() -> None:
    small = collect(digits.load({}, (8, 8, 1), 0).evaluation)[1]
    large = collect(digits.load({}, (16, 16, 3), 7).evaluation)[1]
    np.testing.assert_array_equal(small, large)
    assert small[:12].tolist() == [5, 0, 0, 0, 1, 3, 6, 5, 6, 6, 3, 6]


def test_images_are_upscaled_to_colour() -> None:
    images, _ = collect(digits.load({"images": 4}, (32, 32, 3), 0).evaluation)
    assert images.shape == (4, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images.max() > 240
    np.testing.assert_array_equal(images[..., 0], images[..., 1])


def test_number_of_calibration_images() -> None:
    assert digits.load({"calibration_images": 20}, (8, 8, 1), 0).calibration.count == 20
    with pytest.raises(ZooError, match="digits has 150 at most, not 151"):
        digits.load({"calibration_images": 151}, (8, 8, 1), 0)
