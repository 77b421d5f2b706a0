"""Streams are written as .npy files that any NumPy reads, whatever their length turns out to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.dataset import Split, write


@pytest.mark.parametrize("arriving", [0, 3, 10])
def test_file_holds_what_came(tmp_path: Path, arriving: int) -> None:
    samples = [(np.full((2, 3, 1), number, np.uint8), number) for number in range(arriving)]
    images, labels = tmp_path / "i.npy", tmp_path / "l.npy"
    assert write(Split(10, samples), images, labels, (2, 3, 1)) == arriving
    stored = np.load(images, mmap_mode="r")
    assert stored.shape == (arriving, 2, 3, 1)
    assert stored.dtype == np.uint8
    assert [int(image.max()) for image in stored] == list(range(arriving))
    assert np.load(labels).tolist() == list(range(arriving))
    assert np.load(labels).dtype == np.int32
    assert images.stat().st_size == 128 + arriving * 6


def test_no_labels(tmp_path: Path) -> None:
    write(Split(1, [(np.zeros((1, 1, 1), np.uint8), -1)]), tmp_path / "i.npy", None, (1, 1, 1))
    assert [path.name for path in tmp_path.glob("*.npy")] == ["i.npy"]
