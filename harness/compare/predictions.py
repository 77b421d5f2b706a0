"""Stored predictions of both runs of a cell, brought together image by image."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.compare.correction import Test
from harness.compare.pairing import Pair, Side, kept_file
from harness.metrics.statistics import Z95, mcnemar_exact

MAX_BYTES = 256 * 2**20
"""No file of predictions comes near this."""


class Unreadable(ValueError):
    """Stored predictions that cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Both runs of a cell on the same images."""

    cell: str
    images: int
    only_base: int
    """Images that only the base has right."""
    only_cand: int
    base_top1: float
    cand_top1: float
    task: str
    image: NDArray[np.int64] = field(compare=False, repr=False)
    """Shape (images,): which of the task's images."""
    steps: NDArray[np.int8] = field(compare=False, repr=False)
    """Shape (images,): −1 for one that the candidate lost, 1 for one that it won, else 0."""

    @property
    def test(self) -> Test:
        """McNemar's exact test; n discordant images cannot give less than 2 · 2⁻ⁿ."""
        discordant = self.only_base + self.only_cand
        return Test(mcnemar_exact(self.only_base, self.only_cand), min(1.0, 2.0 ** (1 - discordant)))

    @property
    def gain(self) -> float:
        """Top-1 of the candidate less that of the base, fraction, on the images that both have seen."""
        return (self.only_cand - self.only_base) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of ``gain`` for paired shares (Wald's, with the discordant images alone)."""
        discordant = self.only_base + self.only_cand
        half = Z95 * np.sqrt(max(0.0, discordant - self.gain**2 * self.images)) / self.images
        return self.gain - half, self.gain + half


def paired(pair: Pair, base: Side, cand: Side) -> Paired | None:
    """Return both sides on the images that both have seen; None where one has no labelled predictions.

    Raises:
        Unreadable: a file is damaged, or labels differ: then these are not the same images.
    """
    both = pair.latest
    if both is None or any("top1" not in record.values for record in both):
        return None
    files = kept_file(base, both[0], "predictions"), kept_file(cand, both[1], "predictions")
    if files[0] is None or files[1] is None:
        who = "base" if files[0] is None else "candidate"
        raise Unreadable(f"accuracy is not compared: the predictions of the {who} are not in its folder")
    first, second = _correct(files[0]), _correct(files[1])
    _, left, right = np.intersect1d(first.image, second.image, assume_unique=True, return_indices=True)
    if not len(left):
        raise Unreadable("accuracy is not compared: the runs have no image in common")
    if not np.array_equal(first.labels[left], second.labels[right]):
        raise Unreadable("accuracy is not compared: the labels differ, so these are other images")
    was, now = first.correct[left], second.correct[right]
    lost, won = int((was & ~now).sum()), int((now & ~was).sum())
    top1, steps = (float(was.mean()), float(now.mean())), now.astype(np.int8) - was.astype(np.int8)
    return Paired(pair.cell, len(left), lost, won, *top1, both[1].cell.task, first.image[left], steps)


@dataclass(frozen=True, slots=True)
class _Stored:
    image: NDArray[np.int64]
    labels: NDArray[np.int32]
    correct: NDArray[np.bool_]


def _correct(path: Path) -> _Stored:
    """Return what ``stages.evaluate`` stored. Raises ``Unreadable``."""
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(one.file_size for one in packed.infolist()) > MAX_BYTES:
                raise Unreadable(f"accuracy is not compared: {path.name} is larger than {MAX_BYTES} bytes unpacked")
        with np.load(path, allow_pickle=False) as stored:
            image, labels, classes = (stored[name] for name in ("image", "labels", "classes"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"accuracy is not compared: {path.name} cannot be read ({error})") from error
    if image.ndim != 1 or labels.shape != image.shape or classes.ndim != 2 or len(classes) != len(image):
        raise Unreadable(f"accuracy is not compared: {path.name} has arrays of shapes that do not belong together")
    if any(not np.issubdtype(one.dtype, np.integer) for one in (image, labels, classes)):
        raise Unreadable(f"accuracy is not compared: {path.name} has numbers of images or classes that are not whole")
    if len(np.unique(image)) != len(image) or not classes.shape[1]:
        raise Unreadable(f"accuracy is not compared: {path.name} names an image twice, or no class")
    return _Stored(image.astype(np.int64), labels, classes[:, 0] == labels)
