"""Task ``imagefolder``: your own images, a folder per class, split by a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.dataset import Dataset
from zoo.errors import ZooError
from zoo.folders import scan
from zoo.images import Shape
from zoo.splits import stratified

EVALUATION_SHARE = 0.3
CALIBRATION_IMAGES = 100
CALIBRATION_SHARE = 0.2
"""At most, so that training keeps half of a small folder."""


def load(task: dict[str, Any], shape: Shape, seed: int) -> Dataset:
    """Split the images of ``task["path"]`` into 30 % evaluation, calibration and training, all disjoint.

    Raises:
        ZooError: ``path`` is not set, or see ``folders.scan``; fewer than 3 images.
    """
    if not task.get("path"):
        raise ZooError("task=imagefolder needs task.path=<folder with one folder per class>")
    root = Path(str(task["path"])).expanduser()
    folder = scan(root, "task.path", allow_unreadable=bool(task.get("allow_unreadable")))
    count = len(folder.paths)
    if count < 3:
        raise ZooError(f"task.path: {root} has {count} images; evaluation, calibration and training need 3")
    evaluation = max(1, round(count * EVALUATION_SHARE))
    wanted = int(task.get("calibration_images") or CALIBRATION_IMAGES)
    calibration = max(1, min(wanted, int(count * CALIBRATION_SHARE)))
    test, middle, train = stratified(folder.labels, [evaluation, calibration], seed)
    return Dataset(
        name="imagefolder",
        classes=len(folder.class_names),
        class_names=folder.class_names,
        labelled=True,
        evaluation=folder.split(test[: task.get("images")], shape),
        calibration=folder.split(middle, shape),
        train=folder.split(train, shape),
        skipped=folder.skipped,
    )
