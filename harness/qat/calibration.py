"""Ranges from images: what the values of nearly all of them lie in.

The least and the greatest value of all images, as the TFLite converter takes them, is at the mercy of one image: of
EfficientNetV2B0 trained on digits one image in fifty has values 50 times those of the others, and a range that holds
them leaves five steps to all others. So each image's ends are noted, and a range has to hold a share of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.finetuning import Data
from harness.qat import layers, ranges
from zoo import preprocessing

Ends = Mapping[str, NDArray[np.float32]]
"""Name of a range → (images, 2): the least and the greatest value of each image."""


def observe(model: Any, data: Data, count: int, batch: int) -> dict[str, NDArray[np.float32]]:
    """Return the ends of every range on the first ``count`` images; nothing is rounded meanwhile."""
    import tensorflow as tf

    def look(pixels: Any) -> dict[str, Any]:
        with layers.observing() as seen:
            model(pixels, training=False)
        return {name: _of_all(ends) for name, ends in seen.items()}

    traced = tf.function(look, autograph=False)
    images = data.images[:count]
    parts = [
        traced(tf.constant(preprocessing.apply(images[start : start + batch], data.mode)))
        for start in range(0, len(images), batch)
    ]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def _of_all(ends: Sequence[Any]) -> Any:
    """Return the ends over all values that share a range."""
    import tensorflow as tf

    low = tf.reduce_min(tf.stack([one[:, 0] for one in ends]), 0)
    high = tf.reduce_max(tf.stack([one[:, 1] for one in ends]), 0)
    return tf.stack([low, high], 1)


def cover(model: Any, ends: Ends, share: float) -> list[str]:
    """Set every range so that it holds all values of a share of the images, at each end; 1: of all.

    Returns the names of the ranges that saw only zeros.
    """
    for layer in model.layers:
        if layer.name in ends:
            low, high = covered(ends[layer.name], share)
            layer.low.assign(low)
            layer.high.assign(high)
    return ranges.widen_empty(model)


def covered(ends: NDArray[np.float32], share: float) -> tuple[float, float]:
    """Return the ends that hold a share of the images; zero is always in between."""
    high = np.quantile(ends[:, 1], share, method="inverted_cdf")
    low = -np.quantile(-ends[:, 0], share, method="inverted_cdf")
    return min(0.0, float(low)), max(0.0, float(high))


def calibrate(
    model: Any, ends: Ends, shares: Sequence[float], judge: Callable[[], float]
) -> tuple[float, dict[str, float], list[str]]:
    """Set the ranges to the share of images with the least loss; of equals to the first.

    Returns (the share, share → loss, the names of ranges that saw only zeros).
    """
    losses: dict[str, float] = {}
    for share in shares if len(shares) > 1 else ():
        cover(model, ends, share)
        losses[f"{share:g}"] = judge()
    best = min(shares, key=lambda share: losses.get(f"{share:g}", 0.0))
    return best, losses, cover(model, ends, best)
