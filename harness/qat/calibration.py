"""Ranges from images: the least and the greatest value that passes, as the TFLite converter calibrates."""

from __future__ import annotations

from typing import Any

from harness.finetuning import Data
from harness.qat import layers, ranges
from zoo import preprocessing


def calibrate(model: Any, data: Data, count: int, batch: int) -> list[str]:
    """Set the ranges to the least and the greatest values on the first ``count`` images.

    Returns the names of the ranges that saw only zeros.
    """
    import tensorflow as tf

    with layers.observing():
        look = tf.function(lambda pixels: model(pixels, training=False), autograph=False).get_concrete_function(
            tf.TensorSpec((None, *data.images.shape[1:]), tf.float32)
        )
    for start in range(0, min(count, len(data.images)), batch):
        look(tf.constant(preprocessing.apply(data.images[start : min(start + batch, count)], data.mode)))
    return ranges.widen_empty(model)
