"""Folders of images: a folder per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.dataset import Image, Split
from zoo.errors import ZooError
from zoo.images import EXTENSIONS, Shape, read


@dataclass(frozen=True, slots=True)
class Folder:
    """The readable images of a folder, in the order of their names."""

    class_names: list[str]
    paths: list[Path]
    labels: NDArray[np.int32]
    skipped: list[str]
    """``path: reason`` of every unreadable image."""

    def split(self, chosen: Iterable[int], shape: Shape, border: int = 0) -> Split:
        """Stream the chosen images with their labels."""
        numbers = [int(number) for number in chosen]
        return Split(len(numbers), self._samples(numbers, shape, border))

    def _samples(self, numbers: list[int], shape: Shape, border: int) -> Iterator[tuple[Image, int]]:
        for number in numbers:
            yield read(self.paths[number], shape, border), int(self.labels[number])


def scan(root: Path, key: str, *, allow_unreadable: bool) -> Folder:
    """List ``root`` and try every image in it, so that a bad one is known before any work is done.

    ``key`` is the option that names the folder, for messages.

    Raises:
        ZooError: no such folder, no class folders, a class without images, or an unreadable image
            that is not allowed.
    """
    if not root.is_dir():
        raise ZooError(f"{key}: there is no folder {root}")
    classes = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    files = [sorted(path for path in one.rglob("*") if path.suffix.lower() in EXTENSIONS) for one in classes]
    if not any(files):
        raise ZooError(f"{key}: there is no image in {root}; expected {root}/<class>/<image>.jpg or .png …")
    found = [(path, label) for label, paths in enumerate(files) for path in paths]
    bad = {path: reason for path, _ in found if (reason := _fault(path))}
    if bad and not allow_unreadable:
        raise ZooError(
            f"{len(bad)} of {len(found)} images in {root} cannot be read: {_some(bad)}; "
            "repair or remove them, or skip them with task.allow_unreadable=true"
        )
    good = [(path, label) for path, label in found if path not in bad]
    labels = np.array([label for _, label in good], np.int32)
    empty = [one.name for label, one in enumerate(classes) if not (labels == label).any()]
    if empty:
        raise ZooError(f"{key}: no readable image for class {', '.join(empty[:5])} in {root}")
    skipped = [f"{path}: {reason}" for path, reason in bad.items()]
    return Folder([one.name for one in classes], [path for path, _ in good], labels, skipped)


def _fault(path: Path) -> str | None:
    """Why an image cannot be decoded, or None."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return " ".join(str(error).replace(str(path), "").split()) or type(error).__name__
    return None


def _some(bad: dict[Path, str]) -> str:
    shown = [f"{path} ({reason})" for path, reason in list(bad.items())[:3]]
    return ", ".join(shown) + (", …" if len(bad) > 3 else "")
