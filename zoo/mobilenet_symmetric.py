"""MobileNet whose strided layers pad on all sides alike, as XNNPACK's sparse inference wants it.

Howard et al., "MobileNets", arXiv:1704.04861, as Keras Applications builds it but for three things: padding by one on
each side before a stride of two instead of on two sides only, a pooling that keeps its dimensions, and ``relu6``
as ``ReLU(6)`` throughout. tfmot's ``PruneForLatencyOnXNNPack`` takes it, and none of the others.
"""

from __future__ import annotations

from typing import Any

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Channels and stride of each depthwise-separable block."""


def build(shape: tuple[int, int, int], classes: int) -> Any:
    """Return the ``tf_keras`` model with fresh random weights, softmax output (1, ``classes``)."""
    import tensorflow as tf

    layers = tf.keras.layers

    def normalized(value: Any, name: str) -> Any:
        value = layers.BatchNormalization(name=f"{name}_bn")(value)
        return layers.ReLU(6.0, name=f"{name}_relu")(value)

    def padded(value: Any, stride: int, name: str) -> tuple[Any, str]:
        if stride == 1:
            return value, "same"
        return layers.ZeroPadding2D(1, name=f"{name}_pad")(value), "valid"

    image = value = layers.Input(shape)
    value, padding = padded(value, 2, "conv1")
    value = normalized(layers.Conv2D(32, 3, 2, padding, use_bias=False, name="conv1")(value), "conv1")
    for number, (channels, stride) in enumerate(BLOCKS, start=1):
        depthwise, pointwise = f"conv_dw_{number}", f"conv_pw_{number}"
        value, padding = padded(value, stride, depthwise)
        value = layers.DepthwiseConv2D(3, stride, padding, use_bias=False, name=depthwise)(value)
        value = normalized(value, depthwise)
        value = layers.Conv2D(channels, 1, use_bias=False, name=pointwise)(value)
        value = normalized(value, pointwise)
    value = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(value)
    value = layers.Dropout(1e-3, name="dropout")(value)
    value = layers.Flatten(name="flatten")(value)
    value = layers.Dense(classes, activation="softmax", name="predictions")(value)
    return tf.keras.Model(image, value, name="mobilenet_symmetric")
