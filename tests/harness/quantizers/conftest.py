"""A small trained model as the source stage leaves it, with its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from harness.quantizers.contract import Source
from zoo import network, saved_model

SHAPE = (16, 16, 3)


def stripes(count: int, seed: int) -> tuple[Any, Any]:
    """Return images of noise with lines, uint8, and whether the lines stand or lie."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int32)
    images = random.integers(0, 100, (count, *SHAPE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        (image if label else image.transpose(1, 0, 2))[:, ::4] += 120
    return images, labels


def small(layers: Any) -> Any:
    """Return a net with most of what the zoo's have: padding, depthwise, a gate, a sum, a normalization alone."""
    image = value = layers.Input(SHAPE, name="image")
    value = layers.ZeroPadding2D(1)(value)
    value = layers.BatchNormalization()(layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(value))
    value = layers.Activation("swish")(value)
    other = layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", name="depthwise")(value))
    other = layers.ReLU(6.0)(other)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(other))
    other = layers.Conv2D(8, 1, name="project")(layers.Multiply()([other, gate]))
    value = layers.ReLU()(layers.BatchNormalization()(layers.Add()([value, other])))
    value = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(value))
    return tf.keras.Model(image, layers.Dense(2, activation="softmax", name="predictions")(value))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``source`` and ``dataset``."""
    root = tmp_path_factory.mktemp("trained")
    (root / "source").mkdir()
    (root / "dataset").mkdir()
    for name, count, seed in (("train", 256, 0), ("calibration", 32, 1), ("eval", 100, 2)):
        images, labels = stripes(count, seed)
        np.save(root / "dataset" / f"{name}_images.npy", images)
        if name != "calibration":
            np.save(root / "dataset" / f"{name}_labels.npy", labels)
    tf.keras.utils.set_random_seed(0)
    keras = small(tf.keras.layers)
    keras.compile(tf.keras.optimizers.legacy.Adam(0.01), "sparse_categorical_crossentropy")
    images, labels = stripes(256, 0)
    keras.fit(images / np.float32(127.5) - 1, labels, batch_size=32, epochs=8, verbose=0)
    made = network.from_keras(keras, SHAPE)
    saved_model.save(made, root / "source" / "saved_model")
    keras.save(root / "source" / "model.keras")
    info = {
        "input": {"name": "image", "shape": [1, *SHAPE]},
        "outputs": [{"name": "predictions", "shape": [1, 2]}],
        "classes": 2,
        "preprocessing": "tf",
        "primary": "predictions",
    }
    (root / "source" / "source.json").write_text(json.dumps(info))
    return root


@pytest.fixture
def source(trained: Path, tmp_path: Path) -> Source:
    """The source of a labelled task, its state kept in a folder of the test's own."""
    return Source(trained / "source", trained / "dataset", kept=tmp_path / "kept")


@pytest.fixture
def unlabelled(trained: Path, tmp_path: Path) -> Source:
    """The same without training images and labels."""
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name in ("calibration_images.npy", "eval_images.npy"):
        (folder / name).symlink_to(trained / "dataset" / name)
    return Source(trained / "source", folder)
