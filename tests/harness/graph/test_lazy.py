"""A constant of a gigabyte is never read: sparse files, and the memory that reading them takes."""

from __future__ import annotations

import json
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.graph.model import Graph
from harness.graph.read import read

GIGABYTE = 2**30
ELEMENTS = GIGABYTE // 4
_MAY_TAKE = 100 * 2**20
"""Bytes: a tenth of the constant; reading itself takes a few."""


def _field(number: int, size: int) -> bytes:
    """Return tag and length of a field of bytes."""
    made = bytearray([number << 3 | 2])
    while size > 0x7F:
        made.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*made, size])


def _sparse(path: Path, before: bytes, outer: list[tuple[int, bytes]], number: int, behind: bytes) -> None:
    """Write a message whose innermost field ``number`` is a hole of a gigabyte at the end of ``outer`` messages."""
    head = _field(number, GIGABYTE)
    for tag, more in reversed(outer):
        head = more + head
        head = _field(tag, len(head) + GIGABYTE) + head
    with path.open("wb") as file:
        file.write(before + head)
        file.seek(GIGABYTE, 1)
        file.write(behind)
        file.truncate()


def onnx_inside(folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    graph = helper.make_graph([node], "g", [x], [y]).SerializeToString()
    model = helper.make_model(onnx.GraphProto(), opset_imports=[helper.make_opsetid("", 13)])
    model.ClearField("graph")
    tensor = TensorProto(dims=(4, ELEMENTS // 4), data_type=TensorProto.FLOAT, name="w").SerializeToString()
    _sparse(folder / "m.onnx", model.SerializeToString(), [(7, graph), (5, tensor)], 9, b"")
    return folder / "m.onnx"


def onnx_beside(folder: Path) -> Path:
    from onnx import TensorProto, helper, save_model

    w = TensorProto(dims=(4, ELEMENTS // 4), data_type=TensorProto.FLOAT, name="w")
    w.data_location = TensorProto.EXTERNAL
    w.external_data.add(key="location", value="w.bin")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    save_model(helper.make_model(helper.make_graph([node], "g", [x], [y], [w])), str(folder / "m.onnx"))
    _hole(folder / "w.bin")
    return folder / "m.onnx"


def _hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(GIGABYTE)


def _graph_def(value: Any = None) -> Any:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (1, 4), "x")
        tf.matmul(x, tf.constant(np.ones((4, 2), np.float32), name="w"), name="y")
    found = graph.as_graph_def()
    tensor = next(node for node in found.node if node.name == "w").attr["value"].tensor
    tensor.Clear()
    tensor.dtype = 1
    for size in (4, ELEMENTS // 4):
        tensor.tensor_shape.dim.add(size=size)
    return found


def frozen(folder: Path) -> Path:
    found = _graph_def()
    constant = next(node for node in found.node if node.name == "w")
    tensor = constant.attr["value"].tensor.SerializeToString()
    del constant.attr["value"]
    node = constant.SerializeToString()
    found.node.remove(constant)
    path = [(1, node), (5, b"\x0a\x05value"), (2, b""), (8, tensor)]
    _sparse(folder / "m.pb", b"", path, 4, found.SerializeToString())
    return folder / "m.pb"


def tfjs(folder: Path) -> Path:
    from google.protobuf import json_format

    found = _graph_def()
    del next(node for node in found.node if node.name == "w").attr["value"]
    weight = {"name": "w", "shape": [4, ELEMENTS // 4], "dtype": "float32"}
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": [weight]}]
    topology = json_format.MessageToDict(found)
    (folder / "model.json").write_text(json.dumps({"modelTopology": topology, "weightsManifest": manifest}))
    for name, size in (("a.bin", GIGABYTE), ("b.bin", 0)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    return folder / "model.json"


def tflite(folder: Path) -> Path:
    """A constant behind the flatbuffer, as files over 2 GB have them."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s

    model = s.ModelT()
    model.version = 3
    code = s.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.FULLY_CONNECTED
    model.operatorCodes = [code]
    graph = s.SubGraphT()
    graph.tensors = []
    for name, shape, buffer in (("x", (1, 4), 0), ("w", (ELEMENTS // 4, 4), 1), ("y", (1, ELEMENTS // 4), 0)):
        tensor = s.TensorT()
        tensor.name, tensor.shape, tensor.buffer, tensor.type = name, list(shape), buffer, s.TensorType.FLOAT32
        graph.tensors.append(tensor)
    operator = s.OperatorT()
    operator.inputs, operator.outputs = [0, 1, -1], [2]
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [2]
    model.subgraphs = [graph]
    model.buffers = [s.BufferT(), s.BufferT()]
    model.buffers[1].offset, model.buffers[1].size = 4096, GIGABYTE
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with (folder / "m.tflite").open("wb") as file:
        file.write(bytes(builder.Output()))
        file.truncate(4096 + GIGABYTE)
    return folder / "m.tflite"


def keras(folder: Path) -> Path:
    """HDF5 that says that it has the values, and never wrote them."""
    import h5py

    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, 4]}},
        {"class_name": "Dense", "config": {"name": "y", "units": ELEMENTS // 4, "activation": "linear"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    with h5py.File(folder / "w.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", (4, ELEMENTS // 4), "float32")
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.write(folder / "w.h5", "model.weights.h5")
    return folder / "m.keras"


def weight(graph: Graph) -> Any:
    """Return the one large constant."""
    return max((one for one in graph.tensors if one.constant), key=lambda one: one.bytes)


@pytest.mark.parametrize("make", [onnx_inside, onnx_beside, frozen, tfjs, tflite, keras])
def test_a_gigabyte_is_not_read(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read(path)
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    tensor = weight(found)
    assert tensor.bytes == GIGABYTE
    assert sorted(tensor.shape) == sorted((4, ELEMENTS // 4))
    assert make is keras or float(tensor.data.reshape(-1)[-1]) == 0.0
    assert taken < _MAY_TAKE
