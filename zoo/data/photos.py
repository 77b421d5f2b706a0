"""Task ``photos``: crops of scikit-learn's two photographs, at any size, with no labels and no download."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.dataset import Dataset, Image, Split
from zoo.errors import ZooError
from zoo.images import Shape, resize

EVALUATION_IMAGES = 24
CALIBRATION_IMAGES = 16
CLASSES = 1000
_MOST_CROPS = 1000
_SMALLEST_CROP = 300
"""Pixels a side. Small crops differ so much in contrast that random nets see one of them and no other."""


def load(task: dict[str, Any], shape: Shape, seed: int) -> Dataset:
    """Return seeded square crops of 300 to 427 pixels a side, all different.

    Raises:
        ZooError: more than 1,000 images asked for.
    """
    evaluation = int(task.get("images") or EVALUATION_IMAGES)
    calibration = int(task.get("calibration_images") or CALIBRATION_IMAGES)
    crops = _crops(_photographs(), evaluation + calibration, seed)
    return Dataset(
        name="photos",
        classes=CLASSES,
        class_names=None,
        labelled=False,
        evaluation=Split(evaluation, _samples(crops[:evaluation], shape)),
        calibration=Split(calibration, _samples(crops[evaluation:], shape)),
    )


def _photographs() -> list[NDArray[np.uint8]]:
    """Two uint8 (427, 640, 3) pictures: a Chinese pavilion and a flower."""
    from sklearn.datasets import load_sample_images

    return [np.asarray(picture, np.uint8) for picture in load_sample_images().images]


def _crops(photographs: list[NDArray[np.uint8]], wanted: int, seed: int) -> list[NDArray[np.uint8]]:
    """Cut squares at seeded places, by turns from each photograph; no place twice."""
    if wanted > _MOST_CROPS:
        raise ZooError(f"task=photos: two photographs are good for {_MOST_CROPS} images, not {wanted}")
    random = np.random.RandomState(seed)
    places: dict[tuple[int, int, int, int], NDArray[np.uint8]] = {}
    while len(places) < wanted:
        number = len(places) % len(photographs)
        height, width, _ = photographs[number].shape
        side = random.randint(_SMALLEST_CROP, height + 1)
        top, left = random.randint(0, height - side + 1), random.randint(0, width - side + 1)
        places[number, side, top, left] = photographs[number][top : top + side, left : left + side]
    return list(places.values())


def _samples(crops: list[NDArray[np.uint8]], shape: Shape) -> Iterator[tuple[Image, int]]:
    for crop in crops:
        yield resize(crop, shape), -1
