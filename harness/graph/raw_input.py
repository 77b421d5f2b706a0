"""Whether an artifact takes the bytes of an image as they are."""

from __future__ import annotations

import numpy as np

import zoo.preprocessing
from zoo.errors import ZooError

_EPSILON = 1e-4
"""Share of a scale that rounding in float32 is allowed on top of half a step."""


def raw_bytes_input(scale: float, zero_point: int, preprocessing: str, dtype: str, channels: int = 3) -> bool:
    """Return whether image bytes can be fed to an input with this quantization without preprocessing.

    True when the input is uint8 and every byte p stands for what preprocessing makes of it:
    ``|scale * (p - zero_point) - preprocess(p)| <= scale / 2`` for p in 0…255, in every channel, the
    others being black (so that a mode that swaps channels is not taken for the identity).
    """
    if dtype != "uint8" or not scale > 0:
        return False
    images = np.zeros((channels, 1, 256, channels), np.uint8)
    for channel in range(channels):
        images[channel, 0, :, channel] = np.arange(256)
    try:
        wanted = zoo.preprocessing.apply(images, preprocessing).astype(np.float64)
    except ZooError:
        return False
    given = scale * (images.astype(np.float64) - zero_point)
    return bool(np.all(np.abs(given - wanted) <= scale * (0.5 + _EPSILON)))
