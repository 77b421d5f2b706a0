"""Task ``imagenet``: a prepared tensorflow-datasets builder or a folder per class; never downloads anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zoo.dataset import Dataset, Image, Split
from zoo.errors import ZooError
from zoo.folders import Folder, scan
from zoo.images import Shape, fit
from zoo.splits import stratified

CLASSES = 1000
CALIBRATION_IMAGES = 100
BORDER = 32
"""Pixels cut off the shorter side: 256 → 224, as in the evaluations behind the published figures."""


def load(task: dict[str, Any], shape: Shape, seed: int) -> Dataset:
    """Return ``images`` evaluation images and calibration images that are not among them.

    ``task["path"]`` is a prepared builder's folder, a tensorflow-datasets data folder that holds
    ``task["dataset"]``, or a folder per class; without it the usual data folder is looked at.

    Raises:
        ZooError: no data there; says what to download and where to put it.
    """
    name = str(task.get("dataset") or "imagenet_v2")
    path = Path(str(task["path"])).expanduser() if task.get("path") else None
    prepared = _prepared(name, path)
    if prepared is not None:
        return _from_builder(prepared, task, shape)
    if path is not None and path.is_dir() and any(one.is_dir() for one in path.iterdir()):
        return _from_folder(path, task, shape, seed)
    root = path or _data_folder()
    raise ZooError(
        f'task=imagenet: no data in {root}: where there is a network, run python -c "import '
        f"tensorflow_datasets as t; t.builder('{name}').download_and_prepare()\", then put "
        f"~/tensorflow_datasets/{name} at {root / name}, or set task.path=<folder with one folder per class>"
    )


def _data_folder() -> Path:
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _prepared(name: str, path: Path | None) -> Path | None:
    """The newest prepared version of a builder: its folder holds ``dataset_info.json``."""
    roots = [path / name, path] if path else [_data_folder() / name]
    for root in roots:
        for pattern in ("dataset_info.json", "*/dataset_info.json", "*/*/dataset_info.json"):
            found = sorted(root.glob(pattern))
            if found:
                return found[-1].parent
    return None


def _from_builder(prepared: Path, task: dict[str, Any], shape: Shape) -> Dataset:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ZooError("task=imagenet with a builder needs: pip install tensorflow-datasets") from error
    builder = tfds.builder_from_directory(str(prepared))
    sizes = {str(key): int(info.num_examples) for key, info in builder.info.splits.items()}
    split = str(task.get("split") or next((one for one in ("test", "validation") if one in sizes), ""))
    if split not in sizes:
        raise ZooError(f"task.split: {prepared} has {', '.join(sizes)}, not '{split}'")
    calibration = int(task.get("calibration_images") or CALIBRATION_IMAGES)
    skip = 0 if "train" in sizes and split != "train" else min(calibration, sizes[split] // 2)
    source = split if skip else "train"
    count = min(int(task.get("images") or sizes[split]), sizes[split] - skip)
    names = builder.info.features["label"].names
    return Dataset(
        name="imagenet",
        classes=CLASSES,
        class_names=list(names) if len(names) == CLASSES else None,
        labelled=True,
        evaluation=Split(count, _decoded(builder, split, skip, count, shape)),
        calibration=Split(calibration, _decoded(builder, source, 0, skip or calibration, shape)),
    )


def _decoded(builder: Any, split: str, skip: int, count: int, shape: Shape) -> Iterator[tuple[Image, int]]:
    """Images in the order they were written in, which is already a random one."""
    examples = builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator()
    for example in islice(examples, skip, skip + count):
        yield fit(np.asarray(example["image"], np.uint8), shape, BORDER), int(example["label"])


def _from_folder(path: Path, task: dict[str, Any], shape: Shape, seed: int) -> Dataset:
    folder = scan(path, "task.path", allow_unreadable=bool(task.get("allow_unreadable")))
    folder = _numbered(folder, path)
    count = len(folder.paths)
    calibration = min(int(task.get("calibration_images") or CALIBRATION_IMAGES), count // 2)
    if not calibration:
        raise ZooError(f"task.path: {path} has one image; evaluation and calibration need two")
    middle, rest = stratified(folder.labels, [calibration], seed)
    return Dataset(
        name="imagenet",
        classes=CLASSES,
        class_names=folder.class_names if len(folder.class_names) == CLASSES else None,
        labelled=True,
        evaluation=folder.split(rest[: task.get("images")], shape, BORDER),
        calibration=folder.split(middle, shape, BORDER),
        skipped=folder.skipped,
    )


def _numbered(folder: Folder, path: Path) -> Folder:
    """Turn folder names into ImageNet's class numbers: all 1,000 in order, or the numbers themselves."""
    names = folder.class_names
    if all(name.isdecimal() and int(name) < CLASSES for name in names):
        numbers = np.array([int(name) for name in names], np.int32)
        return Folder(names, folder.paths, numbers[folder.labels], folder.skipped)
    if len(names) != CLASSES:
        raise ZooError(
            f"task.path: {path} has {len(names)} class folders; ImageNet needs all 1,000 (n01440764 …), "
            "or folders named by class number (0 … 999)"
        )
    return folder
