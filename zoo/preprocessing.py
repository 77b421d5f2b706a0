"""From pixels (uint8, RGB, 0…255) to what a model takes (float32), in NumPy alone.

The modes are those of ``tf_keras.applications.imagenet_utils.preprocess_input``.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError

Mode = Literal["none", "tf", "caffe", "torch"]
MODES: tuple[Mode, ...] = get_args(Mode)

_CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
_TORCH_MEAN_RGB = np.array([0.485, 0.456, 0.406], np.float32)
_TORCH_STD_RGB = np.array([0.229, 0.224, 0.225], np.float32)


def apply(images: NDArray[np.uint8], mode: str) -> NDArray[np.float32]:
    """Return float32 pixels, same shape as ``images`` (…, H, W, C), as ``mode`` wants them.

    ``none`` keeps 0…255, ``tf`` scales to -1…1, ``caffe`` flips to BGR and removes ImageNet's mean,
    ``torch`` scales to 0…1 and normalizes. ``caffe`` and ``torch`` need 3 channels.

    Raises:
        ZooError: unknown mode, or a mode that does not suit the number of channels.
    """
    if mode not in MODES:
        raise ZooError(f"preprocessing: '{mode}' is unknown; allowed: {', '.join(MODES)}")
    if mode in ("caffe", "torch") and images.shape[-1] != 3:
        raise ZooError(f"preprocessing: '{mode}' needs 3 channels, these images have {images.shape[-1]}")
    pixels = images.astype(np.float32)
    if mode == "tf":
        pixels = pixels / np.float32(127.5) - np.float32(1)
    elif mode == "caffe":
        pixels = np.ascontiguousarray(pixels[..., ::-1]) - _CAFFE_MEAN_BGR
    elif mode == "torch":
        pixels = (pixels / np.float32(255) - _TORCH_MEAN_RGB) / _TORCH_STD_RGB
    return pixels
