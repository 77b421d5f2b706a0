"""TensorFlow.js: names, storage, refusals; and the real converter and Node, where both are installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cache, plugins, to_tfjs, toolchains
from harness.errors import StageFailed, Unsupported, UserError
from harness.exporters import tfjs as exporter
from harness.exporters.contract import Model
from harness.metrics import audit, size
from harness.node import packages
from harness.runtimes import tfjs_wasm as runtime
from zoo import network, saved_model

INFO = {"input": {"name": "scan"}, "outputs": [{"name": "where/xy"}, {"name": "kind"}, {"name": "about"}]}
NAMES = {
    "inputs": {"scan": "scan:0"},
    "outputs": {"about": "Identity:0", "kind": "Identity_1:0", "where/xy": "Identity_2:0"},
}
WRITTEN = {
    "inputs": {"scan": {"name": "scan:0"}},
    "outputs": {"Identity:0": {"name": "Identity:0"}, "kind": {"name": "Identity_1:0", "dtype": "DT_FLOAT"},
                "Identity_2:0": {"name": "Identity_2:0"}},
}  # fmt: skip
"""As Google's converter does: ``about`` and ``where/xy`` have one shape."""
STORAGES = {"float32": 4, "float16": 2, "uint16": 2, "uint8": 1}
"""Storage → bytes of a weight."""
TOY = {"total": [6.0], "sum": [6.0], "twice": [12.0], "whole": [0.0, 1.0, 2.0, 3.0],
       "normed": [0.0, 1.0, 2.0, 3.0], "swish": [4 / 6, 10 / 6, 3.0, 4.0], "shifted": [3.0, 4.0, 5.0, 6.0],
       "branches": [0.0, 3.0, 6.0, 9.0]}  # fmt: skip
"""Outputs of ``toy`` for the image 0, 1, 2, 3."""
OWN_CACHE = cache.default_root()
"""That of whoever runs the tests: each test has another."""


@pytest.fixture
def converter(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put another converter in the place of Google's: return the signature it writes, and what it was called with."""
    about: dict[str, Any] = {"signature": json.loads(json.dumps(WRITTEN)), "calls": []}

    def convert(saved: Path, out: Path, storage: str) -> None:
        about["calls"].append((str(saved), storage))
        out.mkdir()
        (out / "model.json").write_text(json.dumps({"signature": about["signature"], "modelTopology": {"node": []}}))

    monkeypatch.setattr(to_tfjs, "convert", convert)
    monkeypatch.setattr(exporter, "tensors", lambda folder: json.loads(json.dumps(NAMES)))
    return about


def model(scheme: str = "none", **recipe: Any) -> Model:
    return Model(Path("saved"), INFO, {"scheme": scheme, **recipe}, Path("images"))


def test_names_that_the_converter_could_not_tell_are_put_back_and_recorded(converter: Any, tmp_path: Path) -> None:
    made = exporter.export(model(), exporter.Options(), tmp_path)
    assert made.details["signature_map"] == NAMES
    assert (made.file, made.values) == ("tfjs", {})
    assert converter["calls"] == [("saved", "float32")]
    content = json.loads((tmp_path / "tfjs/model.json").read_text())
    assert {name: port["name"] for name, port in content["signature"]["outputs"].items()} == NAMES["outputs"]
    assert content["signature"]["outputs"]["kind"]["dtype"] == "DT_FLOAT"
    assert content["modelTopology"] == {"node": []}


@pytest.mark.parametrize("storage", ["float16", "uint16", "uint8"])
def test_storage_is_that_of_all_weights(converter: Any, tmp_path: Path, storage: str) -> None:
    options = plugins.options(exporter, {"storage": storage})
    made = exporter.export(model(), options, tmp_path)
    assert converter["calls"] == [("saved", storage)]
    assert storage in str(made.values["form"])


def test_an_unknown_storage_is_told() -> None:
    with pytest.raises(UserError, match="float16"):
        plugins.options(exporter, {"storage": "int4"})


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_tensor_that_is_gone_is_a_failure(converter: Any, tmp_path: Path, side: str) -> None:
    converter["signature"][side].popitem()
    with pytest.raises(StageFailed, match=side) as caught:
        exporter.export(model(), exporter.Options(), tmp_path)
    assert caught.value.reason == "lost_names"


def test_a_source_with_other_names_is_a_failure(
    converter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "tensors", lambda folder: {**NAMES, "outputs": {"output_0": "Identity:0"}})
    with pytest.raises(StageFailed, match="output_0") as caught:
        exporter.export(model(), exporter.Options(), tmp_path)
    assert caught.value.reason == "lost_names"


def test_the_source_says_which_tensor_a_name_is(lab: Any) -> None:
    found = exporter.tensors(lab.root / "saved_model")
    assert found["inputs"] == {"scan": "scan:0"}
    assert list(found["outputs"]) == ["about", "kind", "where/xy"]
    assert len(set(found["outputs"].values())) == 3


def test_a_scheme_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="int8") as caught:
        exporter.export(model("int8"), exporter.Options(), tmp_path)
    assert caught.value.reason == "no_such_form"


def test_a_model_that_a_quantizer_trained_is_taken(converter: Any, tmp_path: Path) -> None:
    assert exporter.export(model("prune", saved_model=True), exporter.Options(), tmp_path).file == "tfjs"


@pytest.fixture(scope="module")
def tools() -> tuple[Path, Path]:
    """Python of the toolchain, and the folder of Node's packages; skips where one is missing."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed here")
    try:
        return toolchains.python("tfjs", root=OWN_CACHE), packages.ensure(OWN_CACHE)
    except Unsupported as error:
        pytest.skip(str(error))


CODE = """
import json, pathlib, sys
from harness.exporters import tfjs
from harness.exporters.contract import Model
for saved_model, out, info, storage in json.loads(sys.argv[1]):
    pathlib.Path(out).mkdir()
    model = Model(pathlib.Path(saved_model), info, {"scheme": "none"}, pathlib.Path())
    tfjs.export(model, tfjs.Options(storage), pathlib.Path(out))
"""


def toy(folder: Path) -> dict[str, Any]:
    """Save a model whose outputs are one tensor, feed each other, or are the image; return what its source says.

    With what Grappler fuses for oneDNN, sums behind convolutions, and a constant that the function has captured.
    """
    import tensorflow as tf

    ones, held = tf.ones([1]), tf.constant([2.0])

    def call(image: Any) -> dict[str, Any]:
        total = tf.reduce_sum(image, [1, 2])
        normed, *_ = tf.compat.v1.nn.fused_batch_norm(
            image, ones, ones, mean=ones, variance=ones, epsilon=0.0, is_training=False
        )
        kernel = tf.ones([1, 1, 1, 1])
        swish = tf.nn.conv2d(image, kernel, 1, "SAME") + ones
        swish = swish * tf.nn.relu6(swish + 3.0) * (1.0 / 6.0)
        return {"total": total, "sum": total, "twice": total * held, "whole": image,
                "normed": tf.nn.relu(normed), "swish": swish,
                "shifted": tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME") + 3.0),
                "branches": tf.nn.conv2d(image, kernel * 2.0, 1, "SAME") + image}  # fmt: skip

    saved_model.save(network.Network(call, [], (2, 2, 1)), folder)
    return {"input": {"name": "image"}, "outputs": [{"name": name} for name in TOY]}


@pytest.mark.slow
def test_every_storage_for_real(
    lab: Any, tools: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, modules = tools
    monkeypatch.setattr(packages, "ensure", lambda: modules)
    work = [(str(lab.root / "saved_model"), str(tmp_path / storage), lab.info, storage) for storage in STORAGES]
    work.append((str(tmp_path / "saved"), str(tmp_path / "toy"), toy(tmp_path / "saved"), "float32"))
    root = str(Path(exporter.__file__).parents[2])
    env = {"PYTHONPATH": root, "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([str(python), "-c", CODE, json.dumps(work)], check=True, env=env)
    session = runtime.open_session(tmp_path / "toy/tfjs", runtime.Options(), 1)
    values = session.run(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    assert set(values) == set(TOY)
    for name, wanted in TOY.items():
        np.testing.assert_allclose(values[name].ravel(), wanted, atol=1e-5)
    saved = audit.measure(lab.root / "saved_model", "saved_model")
    for storage, width in STORAGES.items():
        folder = tmp_path / storage / "tfjs"
        found = audit.measure(folder, "tfjs")
        assert (found.values["macs"], found.values["float_mac_share"]) == (saved.values["macs"], 1.0)
        assert found.details["weights_bytes"][storage] % width == 0
        weights = found.details["weights_bytes"][storage] / width
        assert weights > 1500
        assert size.measure(folder)["size_bytes"] > weights * width
        session = runtime.open_session(folder, runtime.Options(), 1)
        error = dict.fromkeys(lab.reference, 0.0)
        for position, image in enumerate(lab.images):
            for name, value in session.run((image[None] / 127.5 - 1).astype(np.float32)).items():
                error[name] = max(error[name], float(np.abs(value[0] - lab.reference[name][position]).max()))
        bound = {"float32": 1e-5, "float16": 3e-3, "uint16": 1e-3, "uint8": 0.1}[storage]
        assert max(error.values()) < bound, (storage, error)
