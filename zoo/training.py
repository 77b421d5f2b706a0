"""Training from scratch on a small dataset: to a target on held-out training images, or to a cap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo import preprocessing
from zoo.splits import stratified

Progress = Callable[[int, int, float], None]
"""Called after each epoch with its number from 1, the cap, and the held-out top-1 (0…1)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the learning rate falls to zero by a cosine over all ``epochs``."""

    epochs: int
    learning_rate: float
    target: float = 1.0
    """Held-out top-1 at which training may stop before the cap."""
    batch: int = 64
    held_out: float = 0.1
    """Share of the training images that is only looked at to decide when to stop."""
    patience: int = 3
    """Epochs in a row that must reach the target: one alone may be luck."""
    shift: float = 0.08
    """Augmentation: images move by up to this share of their size, edges repeated."""
    bn_momentum: float = 0.9
    """Keras' defaults of 0.99–0.999 are far too slow for a few hundred steps."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training did."""

    epochs: int
    held_out_top1: list[float]
    """0…1, one value an epoch."""


def train(
    model: Any,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    mode: str,
    *,
    settings: Settings,
    progress: Progress = lambda _epoch, _cap, _top1: None,
) -> Trained:
    """Train ``model`` (``tf_keras``, softmax output) in place with Adam.

    ``images`` is uint8 (N, H, W, C), ``labels`` int32 (N,), ``mode`` the preprocessing.
    """
    import tensorflow as tf

    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = settings.bn_momentum
    held, kept = stratified(labels, [max(1, round(len(labels) * settings.held_out))], settings.seed)
    kept = np.sort(kept)
    batch = min(settings.batch, len(kept))
    step = _step(model, settings, len(kept) // batch)
    random = np.random.default_rng(settings.seed)
    history: list[float] = []
    for epoch in range(1, settings.epochs + 1):
        for chosen in batches(len(kept), batch, random):
            pixels = shifted(images[kept[chosen]], settings.shift, random)
            step(preprocessing.apply(pixels, mode), labels[kept[chosen]])
        history.append(_top1(model, images, labels, np.sort(held), mode))
        progress(epoch, settings.epochs, history[-1])
        if len(history) >= settings.patience and min(history[-settings.patience :]) >= settings.target:
            break
    return Trained(len(history), history)


def _step(model: Any, settings: Settings, steps_per_epoch: int) -> Callable[..., Any]:
    """One compiled gradient step."""
    import tensorflow as tf

    rate = tf.keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps_per_epoch)
    # the legacy optimizer has one fused kernel a variable: a third of the tracing time of the new one
    optimizer = tf.keras.optimizers.legacy.Adam(rate)
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy()
    variables = model.trainable_variables

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(pixels: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(targets, model(pixels, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step  # type: ignore[no-any-return]


def batches(count: int, size: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Whole batches only, in random order: a batch of three would upset the BN statistics."""
    order = random.permutation(count)
    for start in range(0, count - size + 1, size):
        yield np.sort(order[start : start + size])


def shifted(images: NDArray[np.uint8], share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Move each image by its own random whole number of pixels."""
    _, height, width, _ = images.shape
    most = round(share * min(height, width))
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = random.integers(0, 2 * most + 1, (len(images), 2))
    moved = [image[top : top + height, left : left + width] for image, (top, left) in zip(padded, corners, strict=True)]
    return np.stack(moved)


def _top1(
    model: Any, images: NDArray[np.uint8], labels: NDArray[np.int32], chosen: NDArray[np.int64], mode: str
) -> float:
    hits = 0
    for start in range(0, len(chosen), 64):
        part = chosen[start : start + 64]
        scores = model.predict_on_batch(preprocessing.apply(images[part], mode))
        hits += int((scores.argmax(-1) == labels[part]).sum())
    return hits / len(chosen)
