from __future__ import annotations

import numpy as np
import pytest

from harness.graph.model import Graph, Node, Tensor
from harness.metrics import audit


def test_float_island_in_an_integer_model_is_found() -> None:
    tensors = tuple(
        Tensor(name, dtype, (1, 4))
        for name, dtype in [("x", "int8"), ("xf", "float32"), ("yf", "float32"), ("y", "int8")]
    )
    nodes = (
        Node("DEQUANTIZE", "d", (0,), (1,)),
        Node("HARD_SWISH", "island", (1,), (2,)),
        Node("QUANTIZE", "q", (2,), (3,)),
    )
    graph = Graph("tflite", nodes, tensors, {"x": 0}, {"y": 3})
    assert audit.float_compute_ops(graph) == ["float op HARD_SWISH 'island'"]
    found = audit.audit(graph)
    assert found.values["float_ops"] == 1
    assert found.missing["int8_mac_share"] == "no multiply-adds"
    assert found.missing["sparsity"]


def test_unknown_shapes_leave_shares_empty_with_the_reason() -> None:
    tensors = (Tensor("x", "float32", None), Tensor("w", "float32", (4, 4)), Tensor("y", "float32", None))
    graph = Graph("onnx", (Node("MatMul", "mm", (0, 1), (2,)),), tensors, {"x": 0}, {"y": 2}, 13)
    found = audit.audit(graph)
    assert "MatMul 'mm'" in found.missing["macs"]
    assert found.missing["int8_mac_share"] == found.missing["macs"]
    assert found.details["uncounted_ops"] == ["MatMul 'mm'"]
    assert found.values["opset"] == 13


def test_custom_and_flex_ops_are_counted_apart() -> None:
    tensors = (Tensor("x", "float32", (1,)), Tensor("y", "float32", (1,)))
    nodes = (Node("FlexErf", "f", (0,), (1,), flex=True), Node("MyOp", "c", (0,), (1,), custom=True))
    found = audit.audit(Graph("tflite", nodes, tensors, {"x": 0}, {"y": 1}))
    assert (found.values["flex_ops"], found.values["custom_ops"]) == (1, 1)
    assert (found.details["flex_ops"], found.details["custom_ops"]) == (["FlexErf"], ["MyOp"])


@pytest.mark.parametrize(
    ("data", "zero_points", "dimension", "expected"),
    [
        (np.array([[0.0, 1.0], [-0.0, 2.0]], np.float32), (), 0, 0.5),
        (np.array([[3, 1], [3, 3]], np.uint8), (3,), 0, 0.75),
        (np.array([[3, 1], [3, 1]], np.uint8), (3, 1), 1, 1.0),
        (np.array([[3, 1], [3, 1]], np.uint8), (3, 1), 0, 0.5),
        (np.array([5], np.int8), (0, 0), 0, 0.75),  # stored sparsely: 1 of 4 values
        (np.array([5, 6, 7], np.int8), (0, 1), 0, 0.25),
    ],
)
def test_sparsity_counts_what_stands_for_zero(
    data: np.ndarray, zero_points: tuple[int, ...], dimension: int, expected: float
) -> None:
    scales = (1.0,) * len(zero_points)
    weight = Tensor("w", str(data.dtype), (2, 2), scales, zero_points, dimension, True, data.nbytes, 1, data)
    tensors = (Tensor("x", "float32", (1, 2)), weight, Tensor("y", "float32", (1, 2)))
    graph = Graph("tflite", (Node("FULLY_CONNECTED", "fc", (0, 1), (2,)),), tensors, {}, {})
    assert audit.sparsity(graph) == expected


def test_constants_that_share_their_bytes_count_once() -> None:
    shared = {"constant": True, "bytes": 8, "buffer": 3}
    tensors = (Tensor("a", "int8", (8,), **shared), Tensor("b", "int8", (2, 4), **shared))
    assert audit.weights_bytes(Graph("tflite", (), tensors, {}, {})) == {"int8": 8}
