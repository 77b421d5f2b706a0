"""Small image folders to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make ``root/<class>/<number>.png``: 12×10 noise whose brightness tells the class."""

    def make(count: int = 6, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
        random = np.random.default_rng(0)
        for label, name in enumerate(classes):
            (tmp_path / "images" / name).mkdir(parents=True)
            for number in range(count):
                low = 40 + 120 * label
                pixels = random.integers(low, low + 60, (10, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
        return tmp_path / "images"

    return make
