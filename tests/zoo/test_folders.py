"""A folder per class: bad input is found before any work, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.folders import scan


def test_lists_in_the_order_of_names(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=3, classes=("b", "a"))
    (root / ".hidden").mkdir()
    (root / "a" / "notes.txt").write_text("not an image")
    folder = scan(root, "task.path", allow_unreadable=False)
    assert folder.class_names == ["a", "b"]
    assert folder.labels.tolist() == [0, 0, 0, 1, 1, 1]
    samples = list(folder.split([5, 0], (8, 8, 3)).samples)
    assert [label for _, label in samples] == [1, 0]
    assert samples[0][0].shape == (8, 8, 3)


def test_unreadable_image_is_named_and_counted(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=4)
    whole = (root / "cat" / "1.png").read_bytes()
    (root / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ZooError, match=r"1 of 8 images .*cat/1\.png \(.+\).*task\.allow_unreadable=true") as e:
        scan(root, "task.path", allow_unreadable=False)
    assert "\n" not in str(e.value)
    folder = scan(root, "task.path", allow_unreadable=True)
    assert np.bincount(folder.labels).tolist() == [3, 4]
    assert len(folder.skipped) == 1
    assert "cat/1.png" in folder.skipped[0]


def test_missing_empty_and_flat_folders(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    with pytest.raises(ZooError, match=r"task\.path: there is no folder .*nowhere"):
        scan(tmp_path / "nowhere", "task.path", allow_unreadable=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZooError, match=r"no image in .*empty; expected .*/<class>/<image>"):
        scan(tmp_path / "empty", "task.path", allow_unreadable=True)
    with pytest.raises(ZooError, match="no image in"):
        scan(image_folder() / "cat", "task.path", allow_unreadable=True)


def test_class_without_images(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=2)
    (root / "eel").mkdir()
    with pytest.raises(ZooError, match="no readable image for class eel"):
        scan(root, "task.path", allow_unreadable=True)
