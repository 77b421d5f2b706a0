"""EfficientNet with ImageNet weights has a multiply that it has not without: it goes through as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.exporters import tflite as exporter
from harness.exporters.contract import Model
from harness.metrics import audit
from harness.qat import graph, transforms
from harness.quantizers import qat
from harness.quantizers.contract import Source
from zoo import architectures, network, random_weights, saved_model

SHAPE = (224, 224, 3)
"""Keras takes no other with ImageNet weights."""


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the model that Keras builds for ``weights="imagenet"``, from a weights file made here."""
    folder = tmp_path_factory.mktemp("weights")
    plain = architectures.build("EfficientNetB0", SHAPE, 1000)
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE)).astype(np.uint8)
    random_weights.enliven(plain, images, "none")
    file = folder / "efficientnet_b0.h5"
    plain.save_weights(str(file))
    return architectures.build_imagenet("EfficientNetB0", SHAPE, file)


def source_of(keras: Any, folder: Path) -> Source:
    """Write what the stage ``source`` leaves of a model, and images without labels."""
    made = network.from_keras(keras, SHAPE)
    shapes = saved_model.save(made, folder / "saved_model")
    keras.save(folder / "model.keras")
    random = np.random.default_rng(1)
    for name in ("calibration", "eval"):
        np.save(folder / f"{name}_images.npy", random.integers(0, 256, (4, *SHAPE)).astype(np.uint8))
    (output,) = shapes
    info = {
        "input": {"name": made.input_name, "shape": [1, *SHAPE]},
        "outputs": [{"name": output, "shape": [1, 1000]}],
        "classes": None,
        "preprocessing": "none",
        "primary": output,
    }
    (folder / "source.json").write_text(json.dumps(info))
    return Source(folder, folder)


def test_the_extra_multiply_is_rewritten_and_the_function_stays(keras: Any) -> None:
    found = graph.read(keras)
    assert [call.get("function") for call in found.calls if call.kind == "TFOpLambda"] == ["math.multiply"]

    rewritten = transforms.apply(found)
    assert rewritten.calls[0].kind == "DepthwiseConv2D"  # rescaling, normalization and the multiply are one
    images = np.random.default_rng(2).uniform(0, 255, (2, *SHAPE)).astype(np.float32)
    before = keras(images, training=False).numpy()
    (after,) = graph.build(rewritten)(images, training=False).values()
    assert before.std() > 1e-4
    assert np.abs(before - after.numpy()).max() <= 1e-5


@pytest.mark.slow
def test_it_goes_through_training_and_leaves_no_float_op(keras: Any, tmp_path: Path) -> None:
    source = source_of(keras, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    recipe = qat.quantize(source, qat.Options(io="int8", steps=1, batch=4), out)
    model = Model(out / "saved_model", source.info, recipe, tmp_path / "calibration_images.npy")
    exporter.export(model, exporter.Options(), out)
    audited = audit.measure(out / "model.tflite", "tflite")
    assert audited.values["float_ops"] == 0
    assert audited.values["int8_mac_share"] == 1
