"""The photographs: seeded crops that share no pixel."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data import photos
from zoo.dataset import Dataset
from zoo.errors import ZooError


def images(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    parts = (dataset.evaluation, dataset.calibration)
    evaluation, calibration = (np.stack([image for image, _ in one.samples]) for one in parts)
    return evaluation, calibration


def test_shapes_and_no_labels() -> None:
    dataset = photos.load({}, (24, 32, 3), 0)
    evaluation, calibration = images(dataset)
    assert evaluation.shape == (24, 24, 32, 3)
    assert calibration.shape == (16, 24, 32, 3)
    assert not dataset.labelled
    assert dataset.classes == 1000
    assert dataset.train is None


def test_the_seed_decides() -> None:
    first, again, other = (images(photos.load({}, (8, 8, 3), seed))[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_place_twice() -> None:
    numbered = [np.arange(427 * 640, dtype=np.int64).reshape(427, 640, 1) + index * 427 * 640 for index in range(2)]
    crops = photos._crops(numbered, 300, seed=0)  # type: ignore[arg-type]
    assert len({(crop.min(), crop.max()) for crop in crops}) == 300
    assert {crop.shape[0] for crop in crops} <= set(range(300, 428))
    assert all(crop.shape[0] == crop.shape[1] for crop in crops)


def test_too_many() -> None:
    with pytest.raises(ZooError, match="good for 1000 images, not 1001"):
        photos.load({"images": 985}, (8, 8, 3), 0)
