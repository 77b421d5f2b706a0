"""Google's converter under control, with a stand-in for it; the real one is tried with the exporter."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness import to_tfjs
from harness.errors import StageFailed


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Put a module in the place of ``tensorflowjs.converters``; what it was called with is in ``calls``."""
    module, biases = ModuleType("tensorflowjs.converters"), ModuleType("normalize_bias_add")
    module.calls = []  # type: ignore[attr-defined]
    biases.normalize_bias_add_op = biases_everywhere  # type: ignore[attr-defined]
    module.normalize_bias_add = biases  # type: ignore[attr-defined]
    module.convert_tf_saved_model = lambda *words, **options: module.calls.append((words, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflowjs", ModuleType("tensorflowjs"))
    monkeypatch.setitem(sys.modules, "tensorflowjs.converters", module)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    return module


def biases_everywhere(graph_def: Any) -> Any:
    """Do as the converter does: every sum behind a convolution becomes a bias."""
    kinds = {node.name: node.op for node in graph_def.node}
    for node in graph_def.node:
        if node.op in ("Add", "AddV2") and kinds[node.input[0]] == "Conv2D":
            node.op = "BiasAdd"
            node.attr["data_format"].s = b"NHWC"
    return graph_def


@pytest.mark.parametrize(("storage", "wanted"), [("float32", None), ("uint8", {"uint8": True})])
def test_storage_is_that_of_all_weights(stand_in: Any, storage: str, wanted: object) -> None:
    to_tfjs.convert(Path("saved"), Path("out"), storage)
    assert stand_in.calls == [(("saved", "out"), {"quantization_dtype_map": wanted, "strip_debug_ops": True})]


def test_tensorflow_may_not_run_with_onednn(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    with pytest.raises(StageFailed) as caught:
        to_tfjs.convert(Path("saved"), Path("out"), "float32")
    assert caught.value.reason == "onednn_on"
    monkeypatch.delitem(sys.modules, "tensorflow")
    to_tfjs.convert(Path("saved"), Path("out"), "float32")
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert len(stand_in.calls) == 1


def test_only_a_vector_is_a_bias(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, 2, 2, 3), "image")
        found = tf.nn.conv2d(image, tf.ones([1, 1, 3, 3]), 1, "SAME", name="conv")
        tf.add(found, tf.constant([1.0, 2.0, 3.0]), name="vector")
        tf.add(found, tf.constant(3.0), name="number")
        tf.add(found, image, name="branch")
        tf.add(image, tf.constant(1.0), name="elsewhere")
        tf.nn.bias_add(found, tf.constant([1.0, 2.0, 3.0]), name="bias")
    seen: list[Any] = []
    biases = stand_in.normalize_bias_add
    monkeypatch.setattr(
        stand_in, "convert_tf_saved_model", lambda *_, **__: seen.append(biases.normalize_bias_add_op(content))
    )
    content = graph.as_graph_def()
    before = {node.name: node.op for node in content.node}
    to_tfjs.convert(Path("saved"), Path("out"), "float32")
    ops = {node.name: (node.op, "data_format" in node.attr) for node in seen[0].node if node.op in ("BiasAdd", "AddV2")}
    assert ops.pop("vector") == ("BiasAdd", True)
    assert ops.pop("bias")[0] == "BiasAdd"
    assert ops == {name: (before[name], False) for name in ("number", "branch", "elsewhere")}
    assert biases.normalize_bias_add_op is biases_everywhere
