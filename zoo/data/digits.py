"""Task ``digits``: scikit-learn's 1,797 real handwritten digits, in a split that never changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.dataset import Dataset, Image, Split
from zoo.errors import ZooError
from zoo.images import Shape, resize
from zoo.splits import stratified

TEST_IMAGES = 450
CALIBRATION_IMAGES = 150
_SPLIT_SEED = 1797
"""Not an option: numbers of different runs must be about the same test images."""


def load(task: dict[str, Any], shape: Shape, _seed: int) -> Dataset:
    """Return the digits, upscaled from 8×8 by a bicubic filter; ``images`` of the task cuts the test split.

    The seed has no effect: the split is fixed. Whatever the number of calibration images, training gets
    the same 1,197 images.

    Raises:
        ZooError: more calibration images asked for than the calibration split has.
    """
    from sklearn.datasets import load_digits

    wanted = int(task.get("calibration_images") or CALIBRATION_IMAGES)
    if wanted > CALIBRATION_IMAGES:
        raise ZooError(f"task.calibration_images: digits has {CALIBRATION_IMAGES} at most, not {wanted}")
    digits = load_digits()
    labels = digits.target.astype(np.int32)
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    test, calibration, train = stratified(labels, [TEST_IMAGES, CALIBRATION_IMAGES], _SPLIT_SEED)
    test = test[: task.get("images")]

    def split(indices: NDArray[np.int64]) -> Split:
        return Split(len(indices), _samples(pixels[indices], labels[indices], shape))

    return Dataset(
        name="digits",
        classes=10,
        class_names=[str(digit) for digit in range(10)],
        labelled=True,
        evaluation=split(test),
        calibration=split(calibration[:wanted]),
        train=split(train),
    )


def _samples(pixels: NDArray[np.uint8], labels: NDArray[np.int32], shape: Shape) -> Iterator[tuple[Image, int]]:
    for picture, label in zip(pixels, labels, strict=True):
        yield resize(picture, shape), int(label)
