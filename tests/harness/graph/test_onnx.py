from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StageFailed
from harness.graph import macs
from harness.graph import onnx as reader
from harness.graph.compute import arithmetic
from harness.metrics.audit import audit

RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def qdq_model() -> Any:
    """Return Q/DQ → Conv with per-channel int8 weights → Relu → Q/DQ, as a ModelProto of opset 13."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (16, 3, 3, 3)).astype(np.int8)
    constants = {
        "s": np.float32(0.1), "z": np.uint8(128), "w": weight,
        "ws": np.full(16, 0.01, np.float32), "wz": np.zeros(16, np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
        helper.make_node("Conv", ["xf", "wf"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["rq"]),
        helper.make_node("DequantizeLinear", ["rq", "s", "z"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 16, 8, 8])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def external(folder: Path, location: str, offset: int = 0) -> Path:
    """Write the QDQ model with its weights at ``location``; return its path."""
    from onnx import TensorProto

    model = qdq_model()
    weight = next(item for item in model.graph.initializer if item.name == "w")
    (folder / "weights.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset))):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    return saved(model, folder)


def test_reads_a_quantized_model(tmp_path: Path) -> None:
    graph = reader.read(saved(qdq_model(), tmp_path))
    conv = next(node for node in graph.nodes if node.name == "conv")
    assert graph.opset == 13
    assert list(graph.inputs) == ["image"]
    assert list(graph.outputs) == ["scores"]
    assert macs.count(graph, conv) == 8 * 8 * 16 * 3 * 9
    assert arithmetic(graph, conv) == "int8"
    kernel = macs.operand(graph, conv, 1)
    assert kernel is not None
    assert (kernel.dtype, kernel.bytes, kernel.quantized_dimension) == ("int8", 432, 0)
    assert kernel.scales == (pytest.approx(0.01),) * 16
    assert graph.tensors[conv.outputs[0]].shape == (1, 16, 8, 8)


def test_reads_what_tf2onnx_writes(tiny: Path) -> None:
    graph = reader.read(tiny / "float32.onnx")
    ops = Counter(node.op for node in graph.nodes)
    assert (ops["Conv"], ops["Clip"], ops["Softmax"]) == (3, 2, 1)
    assert graph.opset == 13
    assert sum(macs.count(graph, node) or 0 for node in graph.nodes) == 101_952


def test_reads_bodies_and_constant_nodes(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    body = helper.make_graph([helper.make_node("Add", ["x", "k"], ["y"])], "body", [], [value])
    other = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [], [value])
    nodes = [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.ones(2, np.float32))),
        helper.make_node("If", ["flag"], ["out"], name="choose", then_branch=body, else_branch=other),
        helper.make_node("Fancy", ["out"], ["scores"], domain="my.own"),
    ]
    inputs = [
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
    ]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [2])]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("my.own", 1)]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), opset_imports=opsets)
    graph = reader.read(saved(model, tmp_path))
    by_op = {node.op: node for node in graph.nodes}
    assert (by_op["Add"].scope, by_op["If"].scope) == ("choose", "")
    assert graph.tensors[by_op["Add"].inputs[1]].constant
    assert (by_op["my.own.Fancy"].custom, by_op["Relu"].custom) == (True, False)


def test_reads_external_data_beside_it(tmp_path: Path) -> None:
    graph = reader.read(external(tmp_path, "weights.bin"))
    weight = next(tensor for tensor in graph.tensors if tensor.name == "w")
    inside = next(t for t in reader.read(saved(qdq_model(), tmp_path)).tensors if t.name == "w")
    assert weight.data is not None
    assert np.array_equal(weight.data, inside.data)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "", "..", "sub/weights.bin", "a\\b"])
def test_external_data_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(StageFailed) as caught:
        reader.read(external(tmp_path, location))
    assert caught.value.reason == "unsafe_external_data"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_external_data_through_a_link_is_refused(tmp_path: Path, link: Any) -> None:
    path = external(tmp_path, "linked.bin")
    link(tmp_path / "weights.bin", tmp_path / "linked.bin")
    with pytest.raises(StageFailed) as caught:
        reader.read(path)
    assert caught.value.reason == "unsafe_external_data"


@pytest.mark.parametrize(("location", "offset"), [("absent.bin", 0), ("weights.bin", 1), ("weights.bin", -1)])
def test_external_data_that_is_not_there_is_a_broken_file(tmp_path: Path, location: str, offset: int) -> None:
    with pytest.raises(StageFailed) as caught:
        reader.read(external(tmp_path, location, offset))
    assert caught.value.reason == "broken_file"


@pytest.mark.parametrize("content", [b"", b"not a protobuf", b"\x08\x07"])
def test_other_bytes_are_a_broken_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(StageFailed) as caught:
        reader.read(tmp_path / "model.onnx")
    assert caught.value.reason == "broken_file"


def test_names_that_are_no_text_are_a_broken_file(tmp_path: Path) -> None:
    content = qdq_model().SerializeToString()
    (tmp_path / "model.onnx").write_bytes(content.replace(b"Relu", b"R\xff\xfeu"))
    with pytest.raises(StageFailed, match="no text") as caught:
        reader.read(tmp_path / "model.onnx")
    assert caught.value.reason == "broken_file"


@RELAXED
@given(data=st.data())
def test_damaged_file_fails_cleanly_or_is_sound(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(qdq_model().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(len(content) // 2, len(content)))
    (tmp_path / "model.onnx").write_bytes(content[:end])
    graph, reason = None, ""
    try:
        graph = reader.read(tmp_path / "model.onnx")
    except StageFailed as error:
        reason = error.reason
    if graph is None:
        assert reason in ("broken_file", "unsafe_external_data")
        return
    assert audit(graph).values["op_count"] == len(graph.nodes)
