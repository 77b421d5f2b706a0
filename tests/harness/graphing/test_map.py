"""``harness graph map``: files of several formats are run and held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import cli

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model with two outputs of one shape as .keras, SavedModel, frozen graph, .tflite and .onnx, and int8."""
    import numpy as np
    import tensorflow as tf
    import tf_keras

    from harness.exporters import frozen_graph, onnx, tflite
    from harness.exporters.contract import Model
    from zoo import network, saved_model

    folder = tmp_path_factory.mktemp("map")
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    image = layers.Input((8, 8, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
    model = tf_keras.Model(image, [layers.Dense(5, name="boxes")(x), layers.Dense(5, "tanh", name="scores")(x)])
    model.save(folder / "m.keras")
    saved_model.save(network.from_keras(model, (8, 8, 3)), folder / "saved")
    given: Any = Model(folder / "saved", {"preprocessing": "none"}, {"scheme": "none"}, folder / "none.npy")
    for exporter in (frozen_graph, onnx, tflite):
        exporter.export(given, exporter.Options(), folder)  # type: ignore[arg-type]
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [np.random.uniform(-1, 1, (1, 8, 8, 3)).astype("float32")] for _ in range(9)
    )
    (folder / "int8.tflite").write_bytes(converter.convert())
    names = {
        "saved": "saved",
        "frozen": "model.pb",
        "tflite": "model.tflite",
        "onnx": "model.onnx",
        "int8": "int8.tflite",
    }
    return {"keras": folder / "m.keras"} | {key: folder / name for key, name in names.items()}


@pytest.mark.parametrize("after", ["saved", "frozen", "tflite", "onnx", "int8"])
def test_every_format_is_run(files: dict[str, Path], after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "map", str(files["keras"]), str(files[after]), "--json", "--strict"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["outputs"] == {"boxes": "boxes", "scores": "scores"}
    assert [one["by"] for one in found["pairs"]["outputs"]] == ["values", "values"]
    assert list(found["inputs"].values()) == ["image"]


def test_renamed_ports_of_onnx(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import onnx

    model = onnx.load(str(files["onnx"]))
    new = {"boxes": "scores", "scores": "Identity_1:0"}
    for node in model.graph.node:
        node.output[:] = [new.get(name, name) for name in node.output]
        node.input[:] = [new.get(name, name) for name in node.input]
    for output in model.graph.output:
        output.name = new[output.name]
    onnx.save(model, str(tmp_path / "m.onnx"))
    assert cli.main(["graph", "map", str(files["tflite"]), str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr().out
    assert "boxes ↔ scores  (by values, difference" in said
    assert "scores ↔ Identity_1:0" in said
    assert "another output is called 'scores', but has other values" in said
    assert cli.main(["graph", "map", str(files["tflite"]), str(tmp_path / "m.onnx"), "--strict"]) == 1


def test_a_custom_operator_leaves_names_and_shapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from onnx import TensorProto, helper, save_model

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("x", "y")]
    node = helper.make_node("Own", ["x"], ["y"], domain="acme")
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("acme", 1)]
    model = helper.make_model(helper.make_graph([node], "g", ports[:1], ports[1:]), opset_imports=opsets)
    path = tmp_path / "m.onnx"
    save_model(model, str(path))
    assert cli.main(["graph", "map", str(path), str(path), "--strict"]) == 1
    said = capsys.readouterr().out
    assert "y ↔ y  (the only one)" in said
    assert "values were not compared" in said


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(b"")
    assert cli.main(["graph", "map", str(tmp_path / "m.onnx"), str(tmp_path / "m.onnx")]) == 2
    assert "empty" in capsys.readouterr().err
