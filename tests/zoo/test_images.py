"""Pictures come out at the wanted shape, and bad ones with their name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.errors import ZooError
from zoo.images import fit, read, resize


def test_resize_repeats_grey_and_averages_colour() -> None:
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    colour = resize(grey, (8, 6, 3))
    assert colour.shape == (8, 6, 3)
    np.testing.assert_array_equal(colour[..., 0], colour[..., 2])
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 100
    np.testing.assert_array_equal(resize(red, (4, 4, 1)), np.full((4, 4, 1), 30, np.uint8))


def test_same_size_is_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(pixels, (5, 5, 3)), pixels)


def test_read_takes_the_centre(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 255
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    np.testing.assert_array_equal(read(path, (10, 10, 3)), np.full((10, 10, 3), 255, np.uint8))


def test_border_is_cut_off_all_sides() -> None:
    framed = np.zeros((64, 64, 3), np.uint8)
    framed[16:48, 16:48] = 200
    np.testing.assert_array_equal(fit(framed, (32, 32, 3), border=32), np.full((32, 32, 3), 200, np.uint8))


def test_grey_with_a_channel_axis() -> None:
    assert fit(np.full((9, 9, 1), 7, np.uint8), (4, 4, 1)).tolist() == [[[7]] * 4] * 4


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=r"cannot read image .*broken\.png"):
        read(path, (8, 8, 3))


def test_only_grey_or_colour() -> None:
    with pytest.raises(ZooError, match="1 or 3 channels, not 4"):
        resize(np.zeros((2, 2), np.uint8), (2, 2, 4))
