"""Frozen graphs: whole, named as the signature, the same numbers, read by the audit, run by TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import freezing
from harness.errors import Unsupported
from harness.exporters import frozen_graph as exporter
from harness.exporters.contract import Model
from harness.graph import graph_def
from harness.metrics import audit
from harness.runtimes import tensorflow as runtime
from zoo import network, saved_model


@pytest.fixture(autouse=True)
def _any_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow already runs in the tests' process, with threads of its own."""
    monkeypatch.setattr(runtime, "set_threads", lambda threads: None)


def run(path: Path, images: Any) -> dict[str, Any]:
    """Run uint8 (N, H, W, C) one by one in the harness's runtime; name → (N, …)."""
    session = runtime.open_session(path, runtime.Options(), 1)
    rows = [session.run((image[None] / 127.5 - 1).astype(np.float32)) for image in images]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def toy(folder: Path, outputs: Any) -> Model:
    """A model of 2×2×1 pictures whose outputs are made from the picture."""
    saved_model.save(network.Network(outputs, [], (2, 2, 1)), folder / "saved_model")
    return Model(folder / "saved_model", {}, {"scheme": "none"}, folder)


@pytest.mark.parametrize("which", ["lab", "gray"])
def test_names_and_numbers(which: str, request: pytest.FixtureRequest) -> None:
    lab = request.getfixturevalue(which)
    path = lab.made("frozen_graph")
    assert [one.name for one in path.parent.iterdir()] == ["model.pb"]
    content = graph_def.load(path)
    assert graph_def.inputs(content) == ["scan"]
    assert sorted(graph_def.outputs(content)) == ["about", "kind", "where/xy"]
    for name, value in run(path, lab.images).items():
        np.testing.assert_allclose(value, lab.reference[name], rtol=0, atol=1e-5)


def test_it_holds_no_variable_and_no_function(lab: Any) -> None:
    content = graph_def.load(lab.made("frozen_graph"))
    assert not {"VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall"} & {node.op for node in content.node}
    assert not content.library.function


def test_the_audit_reads_it(lab: Any) -> None:
    found = audit.measure(lab.made("frozen_graph"), "frozen")
    saved = audit.measure(lab.made("saved_model"), "saved_model")
    assert found.values["macs"] == saved.values["macs"]
    assert (found.values["float_mac_share"], found.values["input_dtype"]) == (1.0, "float32")


def test_the_same_model_gives_the_same_file(lab: Any, tmp_path: Path) -> None:
    again, _ = lab.export("frozen_graph", tmp_path / "out")
    assert again.read_bytes() == lab.made("frozen_graph").read_bytes()


def test_outputs_that_are_one_tensor_or_feed_each_other_are_all_there(tmp_path: Path) -> None:
    import tensorflow as tf

    def call(image: Any) -> dict[str, Any]:
        total = tf.reduce_sum(image, [1, 2])
        return {"total": total, "sum": total, "twice": total * 2, "whole": image}

    exporter.export(toy(tmp_path, call), exporter.Options(), tmp_path)
    session = runtime.open_session(tmp_path / "model.pb", runtime.Options(), 1)
    found = session.run(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    assert {name: value.ravel().tolist() for name, value in found.items()} == {
        "total": [6.0], "sum": [6.0], "twice": [12.0], "whole": [0.0, 1.0, 2.0, 3.0]}  # fmt: skip


@pytest.mark.parametrize("name", ["image", "my output", "a:0", ""])
def test_a_name_that_no_node_can_have_is_refused(name: str) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.identity(tf.compat.v1.placeholder(tf.float32, (1,), "x"), "y")
    reason = "name_clash" if name == "image" else "illegal_name"
    with pytest.raises(Unsupported) as caught:
        freezing.name_ports(graph.as_graph_def(), {"image": "x:0"}, {name: "y:0"})
    assert caught.value.reason == reason


def test_chosen_names_win_over_those_inside() -> None:
    """Any tensor can be an output, under any name; the node that had the name steps aside."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        first = tf.compat.v1.placeholder(tf.float32, (4,), "scores")
        top = tf.math.top_k(first, 2, name="image")
        tf.add(top[0], 1.0, name="boxes")
    content = graph.as_graph_def()
    outputs = {"boxes": "image:1", "scores": "boxes:0"}
    freezing.name_ports(content, {"image": "scores:0"}, outputs)
    graph_def.check(content)
    assert graph_def.inputs(content) == ["image"]
    assert sorted(graph_def.outputs(content)) == ["boxes", "scores"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(content, name="")
        found = session.run(["boxes:0", "scores:0"], {"image:0": [1.0, 4.0, 2.0, 3.0]})
    assert [value.tolist() for value in found] == [[1, 3], [5.0, 4.0]]


@pytest.mark.parametrize("scheme", ["dynamic", "int8"])
def test_a_scheme_of_another_format_is_refused(lab: Any, tmp_path: Path, scheme: str) -> None:
    with pytest.raises(Unsupported, match=scheme) as caught:
        lab.export("frozen_graph", tmp_path / "out", scheme)
    assert caught.value.reason == "no_such_form"
    assert not list((tmp_path / "out").iterdir())
