"""Random weights that behave like trained ones: live BN statistics, outputs that differ between images.

Fresh weights with untouched BN statistics give outputs equal to 1e-9, which hides every numeric fault. With live
statistics alone they go too far the other way: a deep random net with ReLUs cut at their mean is chaotic, so that the
rounding of float16 grows into other outputs. A shift of 1 before the ReLUs, as trained nets have, and a head that
keeps a part of the classes' common mean give nets in which a rounding error stays what it is. Measured on 24 crops,
noise of int8 against the spread between images: MobileNetV2 0.71 → 0.29, ResNet50 0.85 → 0.19.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo import preprocessing
from zoo.errors import ZooError

LOGIT_STD = 3.0
"""Spread of an image's logits over the classes, for the median image."""
BN_SHIFT = 1.0
"""``beta`` of every batch normalization, in standard deviations."""
CENTRED = 0.8
"""Share of each class's mean over the images that is taken out: 1 leaves only what differs between images, which
makes an image of every error; 0 gives all images the same top class."""
_PIXELS_A_CHUNK = 8 * 224 * 224


def enliven(model: Any, images: NDArray[np.uint8], mode: str) -> None:
    """Set the BN statistics and the head of a fresh ``tf_keras`` classifier from uint8 (N, H, W, C) images.

    Runs eagerly, so that memory holds the activations of a few layers and not of the whole net.

    Raises:
        ZooError: fewer than two images, or the model has no softmax head with a bias.
    """
    if len(images) < 2:
        raise ZooError(f"random weights need at least 2 calibration images, there are {len(images)}")
    _shift(model)
    _estimate_statistics(model, images, mode)
    _scale_head(model, images, mode)


def _shift(model: Any) -> None:
    import tensorflow as tf

    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization) and layer.beta is not None:
            layer.beta.assign(tf.fill(layer.beta.shape, BN_SHIFT))


def _chunks(images: NDArray[np.uint8], mode: str) -> Iterator[NDArray[np.float32]]:
    """Equal chunks of at least 2 images, preprocessed."""
    _, height, width, _ = images.shape
    size = max(2, _PIXELS_A_CHUNK // (height * width))
    for part in np.array_split(np.arange(len(images)), max(1, round(len(images) / size))):
        yield preprocessing.apply(images[part], mode)


def _estimate_statistics(model: Any, images: NDArray[np.uint8], mode: str) -> None:
    """Moving mean and variance of every BN layer become the averages over all chunks."""
    import tensorflow as tf

    norms = [one for one in model.layers if isinstance(one, tf.keras.layers.BatchNormalization)]
    usual = [layer.momentum for layer in norms]
    with _without_dropout(model):
        for number, pixels in enumerate(_chunks(images, mode)):
            for layer in norms:
                layer.momentum = number / (number + 1)
            model(tf.constant(pixels), training=True)
    for layer, momentum in zip(norms, usual, strict=True):
        layer.momentum = momentum


@contextlib.contextmanager
def _without_dropout(model: Any) -> Iterator[None]:
    """Dropout and stochastic depth off."""
    import tensorflow as tf

    layers = [one for one in model.layers if isinstance(one, tf.keras.layers.Dropout)]
    rates = [layer.rate for layer in layers]
    for layer in layers:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


def _scale_head(model: Any, images: NDArray[np.uint8], mode: str) -> None:
    """Take ``CENTRED`` of each class's mean out through the bias; scale so that logits spread by ``LOGIT_STD``."""
    import tensorflow as tf

    head = next((one for one in reversed(model.layers) if getattr(one, "kernel", None) is not None), None)
    if head is None or head.bias is None:
        raise ZooError(f"{model.name} has no classifier with weights and a bias to scale")
    features = tf.keras.Model(model.input, head.input)
    kept, head.activation = head.activation, tf.keras.activations.linear
    try:
        parts = [head(features(tf.constant(one), training=False)).numpy() for one in _chunks(images, mode)]
    finally:
        head.activation = kept
    logits = np.concatenate(parts).reshape(len(images), -1)
    # the median, because one image may be far from all others and would flatten them
    centre = CENTRED * logits.mean(axis=0)
    spread = float(np.median((logits - centre).std(axis=1)))
    scale = LOGIT_STD / max(spread, 1e-12)
    head.kernel.assign(head.kernel * scale)
    head.bias.assign(scale * (head.bias - centre))
