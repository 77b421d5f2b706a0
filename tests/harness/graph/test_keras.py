"""``.keras`` files of both Keras generations: layers, shapes and weights as Keras itself has them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed
from harness.graph import keras
from harness.graph.model import Graph
from harness.graph.read import read


def branched() -> Any:
    """A model with everything: shared layer, model in a model, functions, two inputs and outputs, odd sizes."""
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    inner = tf_keras.Sequential([layers.Conv2D(4, 3, padding="same", activation="relu"), layers.BatchNormalization()])
    image, other = layers.Input((11, 9, 3), name="image"), layers.Input((4,), name="other")
    x = layers.ZeroPadding2D(((0, 1), (2, 0)))(layers.Rescaling(1 / 255, -0.5)(image))
    x = inner(x)
    x = layers.SeparableConv2D(6, 3, strides=2, depth_multiplier=2)(x)
    x = layers.MaxPooling2D(2, padding="same")(layers.DepthwiseConv2D(3, dilation_rate=1)(x))
    x = tf.nn.relu6(x + 3.0) * (1 / 6)
    shared = layers.Dense(5, name="shared")
    y = shared(layers.Flatten()(layers.Conv2DTranspose(2, 3, strides=2)(x)))
    twice = layers.Multiply()([y, layers.Activation("sigmoid")(y)])
    joined = layers.Concatenate()([twice, layers.Dense(5)(other)])
    return tf_keras.Model({"image": image, "other": other}, [layers.Softmax()(joined), layers.Reshape((5, 2))(joined)])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    model = branched()
    path = tmp_path_factory.mktemp("keras") / "m.keras"
    model.save(path)
    return path, model


def test_every_layer_has_the_shape_that_keras_says(saved: tuple[Path, Any]) -> None:
    path, model = saved
    graph = read(path)
    found = {node.name: graph.tensors[node.outputs[0]].shape for node in graph.nodes}
    for layer in model.layers:
        if type(layer).__name__ not in ("InputLayer", "Sequential"):
            assert found[layer.name] == tuple(-1 if size is None else size for size in layer.output_shape), layer.name
    assert list(graph.inputs) == ["image", "other"]
    assert [graph.tensors[number].shape for number in graph.outputs.values()] == [(-1, 10), (-1, 5, 2)]


def test_weights_are_those_of_the_model(saved: tuple[Path, Any]) -> None:
    path, model = saved
    graph = read(path)
    stored = [one for one in graph.tensors if one.constant and "/" in one.name and one.name[-1].isdigit()]
    assert sum(one.elements or 0 for one in stored) == model.count_params()
    kernel = next(one for one in stored if one.name == "shared/0")
    assert np.array_equal(kernel.data, model.get_layer("shared").get_weights()[0])


def test_functions_shared_layers_and_models_in_models(saved: tuple[Path, Any]) -> None:
    graph = read(saved[0])
    ops = [node.op for node in graph.nodes]
    assert "tf.__operators__.add" in ops
    added = next(node for node in graph.nodes if node.op == "tf.__operators__.add")
    assert [graph.tensors[number].data for number in added.inputs[1:]] == [3.0]
    inner = [node for node in graph.nodes if node.scope]
    assert [node.op for node in inner] == ["Conv2D", "BatchNormalization"]
    assert inner[0].attributes["activation"] == "relu"
    rescaling = next(node for node in graph.nodes if node.op == "Rescaling")
    assert [float(graph.tensors[n].data) for n in rescaling.inputs[1:]] == pytest.approx([1 / 255, -0.5])


def test_neither_keras_nor_tensorflow_is_imported(saved: tuple[Path, Any]) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.graph.read import read; read(Path(sys.argv[1]));"
        "print([name for name in ('tensorflow', 'keras', 'tf_keras') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, saved[0]], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A file of Keras 3, made in a process of its own: two generations do not share one."""
    path = tmp_path_factory.mktemp("third") / "m.keras"
    code = (
        "import sys, json, keras\n"
        "from keras import layers\n"
        "a = layers.Input((8, 8, 3), name='a')\n"
        "x = layers.Conv2D(4, 3, activation='swish')(a)\n"
        "x = keras.ops.relu6(x + 3.0) * 0.5\n"
        "d = layers.Dense(4)\n"
        "y = layers.Add()([d(x), d(layers.BatchNormalization()(x))])\n"
        "m = keras.Model(a, {'scores': layers.GlobalAveragePooling2D()(y)})\n"
        "m.save(sys.argv[1])\n"
        "print(json.dumps(m.count_params()))\n"
    )
    environment = {"TF_USE_LEGACY_KERAS": "0", "PATH": "/usr/bin:/bin", "KERAS_BACKEND": "tensorflow"}
    run = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, env=environment
    )
    return path, int(run.stdout.splitlines()[-1])


def test_keras_3(third: tuple[Path, int]) -> None:
    graph = read(third[0])
    assert [node.op for node in graph.nodes].count("Dense") == 2
    dense = [node for node in graph.nodes if node.op == "Dense"]
    assert dense[0].inputs[1:] == dense[1].inputs[1:]
    stored = [one for one in graph.tensors if one.constant and one.name[-1].isdigit()]
    assert sum(one.elements or 0 for one in stored) == third[1]
    assert [graph.tensors[number].shape for number in graph.outputs.values()] == [(-1, 4)]


def rewritten(source: Path, target: Path, change: Any) -> Path:
    """Copy an archive; ``change`` edits its configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


def layer(config: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in config["config"]["layers"] if one["class_name"] == kind)


def broken(path: Path) -> str:
    with pytest.raises(StageFailed) as caught:
        keras.read(path)
    assert caught.value.reason == "broken_file"
    return str(caught.value)


def test_a_cycle(tiny: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        layer(config, "Conv2D")["inbound_nodes"] = layer(config, "Dense")["inbound_nodes"]

    assert "wait for each other" in broken(rewritten(tiny / "model.keras", tmp_path / "m.keras", change))


def test_a_layer_that_is_not_there(tiny: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        layer(config, "Dense")["inbound_nodes"] = [[["nobody", 0, 0, {}]]]

    assert "'nobody', which is not there" in broken(rewritten(tiny / "model.keras", tmp_path / "m.keras", change))


def test_a_custom_layer_is_kept(tiny: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        layer(config, "Dense").update(class_name="mine>Scores", registered_name="mine>Scores", module=None)

    graph: Graph = read(rewritten(tiny / "model.keras", tmp_path / "m.keras", change))
    mine = next(node for node in graph.nodes if node.op == "Scores")
    assert mine.custom
    assert graph.tensors[mine.outputs[0]].shape == (1, 10)  # its reader was built for that


def test_a_subclassed_model(tiny: Path, tmp_path: Path) -> None:
    change = lambda config: config.update(class_name="MyModel")  # noqa: E731
    assert "MyModel, which is code" in broken(rewritten(tiny / "model.keras", tmp_path / "m.keras", change))


def test_a_model_that_is_a_layer_of_itself_has_an_end(tmp_path: Path, tiny: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        for _ in range(30):
            inner = json.loads(json.dumps(config["config"]))
            outer = {"class_name": "Sequential", "name": "s", "config": {**inner, "name": "s"}}
            config["class_name"], config["config"] = "Sequential", {"name": "s", "layers": [outer]}

    assert "contain each other" in broken(rewritten(tiny / "model.keras", tmp_path / "m.keras", change))


def test_links_to_other_files_are_not_followed(tiny: Path, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((160, 10), np.float32)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/layers")
    with zipfile.ZipFile(tiny / "model.keras") as old, zipfile.ZipFile(tmp_path / "m.keras", "w") as new:
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))
        new.write(tmp_path / "w.h5", "model.weights.h5")
    assert not [one for one in read(tmp_path / "m.keras").tensors if one.constant]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, None])
def test_weights_that_are_compressed_or_missing(tiny: Path, tmp_path: Path, method: int | None) -> None:
    with zipfile.ZipFile(tiny / "model.keras") as old, zipfile.ZipFile(tmp_path / "m.keras", "w") as new:
        for name in old.namelist():
            if method is not None or name != "model.weights.h5":
                new.writestr(name, old.read(name), compress_type=method)
    said = broken(tmp_path / "m.keras")
    assert ("compressed" in said) if method else ("there is no model.weights.h5" in said)
