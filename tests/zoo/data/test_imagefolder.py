"""Your own images, split without overlap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import imagefolder
from zoo.errors import ZooError


def test_split(image_folder: Callable[..., Path]) -> None:
    dataset = imagefolder.load({"path": str(image_folder(count=20))}, (8, 8, 3), 0)
    assert dataset.train is not None
    splits = (dataset.evaluation, dataset.calibration, dataset.train)
    assert [split.count for split in splits] == [12, 8, 20]
    images = [{image.tobytes() for image, _ in split.samples} for split in splits]
    assert not images[0] & images[1]
    assert not (images[0] | images[1]) & images[2]
    assert dataset.class_names == ["cat", "dog"]


def test_caps(image_folder: Callable[..., Path]) -> None:
    task = {"path": str(image_folder(count=20)), "images": 5, "calibration_images": 3}
    dataset = imagefolder.load(task, (8, 8, 3), 0)
    assert (dataset.evaluation.count, dataset.calibration.count) == (5, 3)


def test_path_is_needed(image_folder: Callable[..., Path]) -> None:
    with pytest.raises(ZooError, match=r"needs task\.path=<folder"):
        imagefolder.load({"path": None}, (8, 8, 3), 0)
    root = image_folder(count=1)
    with pytest.raises(ZooError, match="has 2 images; evaluation, calibration and training need 3"):
        imagefolder.load({"path": str(root)}, (8, 8, 3), 0)
