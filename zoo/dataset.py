"""What a task gives: streams of images, small enough in memory for any number of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(height, width, channels), RGB or grey, 0…255."""


@dataclass(frozen=True, slots=True)
class Split:
    """A stream of (image, label); read once."""

    count: int
    """At most so many images come."""
    samples: Iterable[tuple[Image, int]]
    """Label -1 where the task has no labels."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The splits of one task at one image size; no image is in two of them."""

    name: str
    classes: int
    class_names: list[str] | None
    labelled: bool
    evaluation: Split
    calibration: Split
    train: Split | None = None
    skipped: list[str] = field(default_factory=list)
    """Files that could not be read, with the reason; filled while the streams are read."""


def write(split: Split, images: Path, labels: Path | None, shape: tuple[int, int, int]) -> int:
    """Stream a split into ``.npy`` files (uint8 (N, H, W, C), int32 (N,)) and return N.

    The files are preallocated for ``split.count`` images and cut to what really came.
    """
    stored = np.lib.format.open_memmap(images, "w+", np.uint8, (split.count, *shape))
    found: list[int] = []
    for image, label in split.samples:
        stored[len(found)] = image
        found.append(label)
    stored.flush()
    del stored
    if len(found) < split.count:
        _shorten(images, len(found), shape)
    if labels is not None:
        np.save(labels, np.array(found, np.int32))
    return len(found)


def _shorten(path: Path, count: int, shape: tuple[int, int, int]) -> None:
    """Rewrite the header for fewer images; NumPy pads headers so that the first axis may change."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    with path.open("r+b") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        stream.truncate(start + count * int(np.prod(shape)))
        os.fsync(stream.fileno())
