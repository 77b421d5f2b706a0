"""A net with a layer that one scale cannot bear, exported as float and int8, to TFLite and to ONNX."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.exporters import onnx_qdq
from harness.exporters import tflite as to_tflite
from harness.exporters.contract import Model
from zoo import network, saved_model

SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)


def build() -> Any:
    """Return a net one of whose depthwise kernels has channels 3,000 times apart: one scale cannot bear that."""
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(3)
    x = image = layers.Input(SHAPE, name="image")
    x = layers.ReLU(6.0)(layers.Conv2D(16, 3, strides=2, padding="same", name="stem")(x))
    x = layers.ReLU(6.0)(layers.Conv2D(16, 1, name="first")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="broken")(x)
    x = layers.Conv2D(16, 1, name="after")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = tf_keras.Model(image, layers.Dense(4, activation="softmax", name="predictions")(x))
    kernel, bias = model.get_layer("broken").get_weights()
    factors = np.logspace(-3.5, 0, kernel.shape[2]).reshape(1, 1, -1, 1)
    model.get_layer("broken").set_weights([kernel * factors, bias])
    after, bias = model.get_layer("after").get_weights()  # all channels count the same afterwards
    model.get_layer("after").set_weights([after / factors.reshape(1, 1, -1, 1) / 100, bias])
    return model


def convert(keras: Any, shape: tuple[int, int, int], images: Any, root: Path, recipes: Any) -> dict[str, Path]:
    """Return (format, name of the recipe) → file."""
    np.save(root / "calibration_images.npy", images)
    made = network.from_keras(keras, shape)
    saved_model.save(made, root / "saved_model")
    info = {
        "input": {"name": "image", "shape": [1, *shape]},
        "outputs": [{"name": "predictions"}],
        "preprocessing": "tf",
    }
    found = {}
    for name, recipe in recipes.items():
        model = Model(root / "saved_model", info, recipe, root / "calibration_images.npy")
        for kind in ("tflite", "qdq"):
            (root / name / kind).mkdir(parents=True)
        to_tflite.export(model, to_tflite.Options(), root / name / "tflite")
        model = replace(model, artifact=root / name / "tflite" / "model.tflite")
        onnx_qdq.export(model, onnx_qdq.Options(), root / name / "qdq")
        found[f"tflite {name}"] = root / name / "tflite" / "model.tflite"
        found[f"onnx {name}"] = root / name / "qdq" / "model.onnx"
    return found


NONE = {"scheme": "none"}
CHANNELS = {"scheme": "int8", "calibration_images": 8, "per_channel": True}
TENSOR = {**CHANNELS, "per_channel": False}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return (format, scheme) → file; per-tensor int8, int8, and float."""
    recipes = {"none": NONE, "channels": CHANNELS, "tensor": TENSOR}
    return convert(build(), SHAPE, IMAGES, tmp_path_factory.mktemp("values"), recipes)


@pytest.fixture(scope="session")
def images() -> Any:
    """The images that it was calibrated on, uint8."""
    return IMAGES


@pytest.fixture(name="convert")
def _convert() -> Any:
    """A function: a Keras model, its input's shape, images to calibrate on, a folder → (format, scheme) → file."""
    return lambda keras, shape, given, root: convert(keras, shape, given, root, {"none": NONE, "tensor": TENSOR})
