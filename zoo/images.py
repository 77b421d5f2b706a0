"""Reading and resizing pictures with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


Shape = tuple[int, int, int]
"""Height, width and channels (1 or 3)."""


def resize(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Return uint8 ``shape`` from uint8 (H, W) or (H, W, 3), by Pillow's bicubic filter."""
    from PIL import Image

    height, width, channels = shape
    picture = Image.fromarray(pixels).convert(_mode(channels))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8).reshape(shape)


def fit(pixels: NDArray[np.uint8], shape: Shape, border: int = 0) -> NDArray[np.uint8]:
    """Return uint8 ``shape`` from uint8 (H, W, 1 or 3): scaled to cover it, then the centre; as ``read``."""
    from PIL import Image

    return _fitted(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels), shape, border)


def read(path: Path, shape: Shape, border: int = 0) -> NDArray[np.uint8]:
    """Read a picture as uint8 ``shape``: scaled to cover it (bicubic), then the centre.

    ``border`` pixels are cut off the shorter side, half of them at each end (ImageNet's evaluation: 32).

    Raises:
        ZooError: not a picture, truncated, or larger than Pillow's limit against decompression bombs.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return _fitted(picture, shape, border)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ZooError(f"cannot read image {path}: {error}") from error


def _fitted(picture: Any, shape: Shape, border: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    height, width, channels = shape
    scale = 1 + border / min(height, width)
    covered = (round(width * scale), round(height * scale))
    fitted = ImageOps.fit(picture.convert(_mode(channels)), covered, Image.Resampling.BICUBIC)
    left, top = (covered[0] - width) // 2, (covered[1] - height) // 2
    pixels = np.asarray(fitted, np.uint8).reshape(covered[1], covered[0], channels)
    return pixels[top : top + height, left : left + width]


def _mode(channels: int) -> str:
    if channels not in (1, 3):
        raise ZooError(f"images have 1 or 3 channels, not {channels}")
    return "L" if channels == 1 else "RGB"
