"""Values between layers of real files: a layer that was broken on purpose is the one that is named, in both formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.exporters import onnx as to_onnx
from harness.exporters import onnx_qdq
from harness.exporters import tflite as to_tflite
from harness.exporters.contract import Model
from harness.insight import errors, onnx, tflite
from zoo import network, preprocessing, saved_model

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


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return (format, scheme) → file; per-tensor int8, int8, and float."""
    root = tmp_path_factory.mktemp("values")
    np.save(root / "calibration_images.npy", IMAGES)
    made = network.from_keras(build(), SHAPE)
    saved_model.save(made, root / "saved_model")
    info = {
        "input": {"name": "image", "shape": [1, *SHAPE]},
        "outputs": [{"name": "predictions"}],
        "preprocessing": "tf",
    }
    found = {}
    for name, recipe in {
        "none": {"scheme": "none"},
        "channels": {"scheme": "int8", "calibration_images": 8, "per_channel": True},
        "tensor": {"scheme": "int8", "calibration_images": 8, "per_channel": False},
    }.items():
        model = Model(root / "saved_model", info, recipe, root / "calibration_images.npy")
        for kind in ("tflite", "qdq"):
            (root / name / kind).mkdir(parents=True)
        to_tflite.export(model, to_tflite.Options(), root / name / "tflite")
        model = replace(model, artifact=root / name / "tflite" / "model.tflite")
        onnx_qdq.export(model, onnx_qdq.Options(), root / name / "qdq")
        found[f"tflite {name}"] = root / name / "tflite" / "model.tflite"
        found[f"onnx {name}"] = root / name / "qdq" / "model.onnx"
    (root / "onnx").mkdir()
    to_onnx.export(replace(model, recipe={"scheme": "none"}), to_onnx.Options(), root / "onnx")
    return found


def compared(module: Any, quantized: Path, floating: Path) -> list[errors.Layer]:
    one, two = module.Values(quantized), module.Values(floating)
    common = [name for name in one.names() if name in set(two.names())]
    sums: dict[str, errors.Sums] = {}
    for image in preprocessing.apply(IMAGES, "tf"):
        left, right = one.run(image[None]), two.run(image[None])
        for name in common:
            assert left[name].shape == right[name].shape
            sums.setdefault(name, errors.Sums()).add(right[name], left[name])
    return errors.layers(sums, one.about())


MODULES = {"tflite": tflite, "onnx": onnx}


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_kernel_that_one_scale_cannot_bear_is_named(exported: dict[str, Path], kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} tensor"], exported[f"{kind} none"])
    assert len(found) >= 5
    bad = errors.worst(found)[0]
    assert "broken" in bad.name or "after" in bad.name
    guilty = next(one for one in found if "broken" in one.name)
    assert guilty.channel_spread is not None
    assert guilty.channel_spread > 100
    assert guilty.weight_scale_min == guilty.weight_scale_max
    broken = errors.first_broken(found, 15)
    assert broken is not None
    assert broken.position >= guilty.position


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_scale_for_each_channel_is_told(exported: dict[str, Path], kind: str) -> None:
    one, two = (
        {layer.name: layer for layer in compared(MODULES[kind], exported[f"{kind} {name}"], exported[f"{kind} none"])}
        for name in ("channels", "tensor")
    )
    assert "predictions" in one  # the output itself is compared as well
    name = next(name for name in two if "after" in name)
    assert (one[name].sqnr_db or 0) > (two[name].sqnr_db or 0)
    deep = next(layer for layer in one.values() if "broken" in layer.name)
    assert deep.weight_scale_min is not None
    assert deep.weight_scale_max is not None
    assert deep.weight_scale_max > 100 * deep.weight_scale_min


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_graph_against_itself_is_perfect(exported: dict[str, Path], kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} none"], exported[f"{kind} none"])
    assert {one.sqnr_db for one in found} == {errors.CEILING_DB}


@pytest.mark.parametrize("layer", ["stem", "first", "broken", "after"])
def test_both_formats_tell_the_same_of_the_same_integers(exported: dict[str, Path], layer: str) -> None:
    ratios = []
    for kind in ("tflite", "onnx"):
        found = compared(MODULES[kind], exported[f"{kind} channels"], exported[f"{kind} none"])
        ratios.append(next(one.sqnr_db for one in found if f"{layer}/" in one.name))
    assert ratios[0] == pytest.approx(ratios[1], abs=1.5)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("net/Conv1/Relu6;net/bn/FusedBatchNormV3;net/Conv1/Conv2D", "Conv1/Relu6;bn/FusedBatchNormV3;Conv1/Conv2D"),
        ("model_2/Conv1/Relu6", "Conv1/Relu6"),
        ("predictions", "predictions"),
    ],
)
def test_the_name_of_the_model_is_no_part_of_a_layers_name(name: str, key: str) -> None:
    assert tflite.key(name) == key
