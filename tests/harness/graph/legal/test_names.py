"""Graphs in legal names: fused forms unfold, parameters and multiply-adds stay what they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph import macs
from harness.graph.legal.names import Legal, legalize
from harness.graph.model import Graph, Node, Tensor
from harness.graph.read import read

FLOAT = ("model.keras", "saved_model", "frozen.pb", "float32.tflite", "float32.onnx")
MACS = 101_952
KERNELS = 3 * 3 * 3 * 8 + 3 * 3 * 8 + 8 * 160 + 160 * 10


def kernels(legal: Legal) -> int:
    return legal.parameters([node for node in legal.graph.nodes if legal.kind(node) == "products"])


@pytest.mark.parametrize("name", FLOAT)
def test_every_format_has_the_same_products(tiny: Path, name: str) -> None:
    legal = legalize(read(tiny / name))
    assert not legal.unknown
    assert sum(count or 0 for count in legal.macs) == MACS
    assert kernels(legal) == KERNELS
    found = [node for node in legal.running if legal.kind(node) == "products"]
    assert [(node.op, node.attributes.get("channels")) for node in found] == [
        ("Conv2D", "3>8"), ("DepthwiseConv2D", "8"), ("Conv2D", "8>160"), ("MatMul", "160>10"),
    ]  # fmt: skip
    assert [node.attributes.get("kernel") for node in found] == ["3x3", "3x3", "1x1", None]


@pytest.mark.parametrize("scheme", ["int8", "int8_per_tensor", "uint8_only", "int16x8", "float16", "dynamic"])
def test_quantized_files_have_the_same_products(tiny: Path, scheme: str) -> None:
    legal = legalize(read(tiny / f"{scheme}.tflite"))
    assert (sum(count or 0 for count in legal.macs), kernels(legal), dict(legal.unknown)) == (MACS, KERNELS, {})


def test_fused_forms_unfold(tiny: Path) -> None:
    ops = Counter(node.op for node in legalize(read(tiny / "float32.tflite")).running)
    assert ops.pop("Add") >= 3  # a bias of zeros may be left out
    assert ops == {"Conv2D": 2, "DepthwiseConv2D": 1, "MatMul": 1, "Relu6": 2, "Mean": 1, "Softmax": 1}
    ops = Counter(node.op for node in legalize(read(tiny / "model.keras")).running)
    assert ops == {
        "Conv2D": 2, "DepthwiseConv2D": 1, "MatMul": 1, "BatchNorm": 2, "Add": 2, "Relu6": 2, "Mean": 1, "Softmax": 1,
    }  # fmt: skip


def graph(format: str, op: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], **attributes: Any) -> Graph:
    """One node whose first operand is the input and whose others are constants."""
    tensors = [Tensor("x", "float32", shapes[0])]
    tensors += [
        Tensor(f"c{i}", "float32", shape, constant=True, buffer=i + 1, data=np.full(shape, 0.5, np.float32))
        for i, shape in enumerate(shapes[1:])
    ]
    tensors.append(Tensor("y", "float32", output))
    last = len(tensors) - 1
    node = Node(op, "n", tuple(range(last)), (last,), attributes=attributes)
    return Graph(format, (node,), tuple(tensors), {"x": 0}, {"y": last})


def ops(found: Graph) -> list[str]:
    return [node.op for node in legalize(found).graph.nodes]


IMAGE = (1, 8, 8, 3)
KERNEL = (3, 3, 3, 4)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (graph("tflite", "FULLY_CONNECTED", [(1, 6), (2, 6), (2,)], (1, 2), activation="relu"), "MatMul Add Relu"),
        (graph("tflite", "ADD", [IMAGE, (3,)], IMAGE, activation="relu6"), "Add Relu6"),
        (graph("tflite", "HARD_SWISH", [IMAGE], IMAGE), "Add Relu6 Mul Mul"),
        (graph("tflite", "AVERAGE_POOL_2D", [IMAGE], (1, 1, 1, 3), kernel_size="8x8"), "Mean"),
        (graph("tflite", "AVERAGE_POOL_2D", [IMAGE], (1, 4, 4, 3), kernel_size="2x2"), "AveragePool"),
        (graph("frozen", "_FusedConv2D", [IMAGE, KERNEL, (4,)], (1, 8, 8, 4), fused_ops="BiasAdd,Relu6"),
         "Conv2D Add Relu6"),
        (graph("frozen", "_FusedConv2D", [IMAGE, KERNEL, *[(4,)] * 4], (1, 8, 8, 4), fused_ops="FusedBatchNorm,Relu"),
         "Conv2D BatchNorm Relu"),
        (graph("tfjs", "FusedDepthwiseConv2dNative", [IMAGE, (3, 3, 3, 1), (3,)], IMAGE, fused_ops="BiasAdd"),
         "DepthwiseConv2D Add"),
        (graph("frozen", "_FusedMatMul", [(1, 6), (6, 2), (2,)], (1, 2), fused_ops="BiasAdd,Elu"), "MatMul Add Elu"),
        (graph("onnx", "Gemm", [(1, 6), (6, 2), (2,)], (1, 2)), "MatMul Add"),
        (graph("onnx", "Conv", [(1, 4, 8, 8), (8, 1, 3, 3)], (1, 8, 8, 8), group=4), "DepthwiseConv2D"),
        (graph("onnx", "Conv", [(1, 4, 8, 8), (8, 2, 3, 3)], (1, 8, 8, 8), group=2), "Conv2D"),
        (graph("onnx", "Conv", [(1, 4, 8), (8, 4, 3)], (1, 8, 8)), "Conv1D"),
        (graph("onnx", "Clip", [IMAGE], IMAGE, min=0.0, max=6.0), "Relu6"),
        (graph("onnx", "Clip", [IMAGE], IMAGE, min=0.0), "Relu"),
        (graph("onnx", "Clip", [IMAGE], IMAGE, min=-1.0, max=1.0), "Clip"),
        (graph("onnx", "HardSigmoid", [IMAGE], IMAGE, alpha=1 / 6, beta=0.5), "Add Relu6 Mul"),
        (graph("onnx", "HardSigmoid", [IMAGE], IMAGE), "Mul Add Clip"),
        (graph("keras", "Dense", [(-1, 6), (6, 2), (2,)], (-1, 2), activation="swish"), "MatMul Add Sigmoid Mul"),
        (graph("keras", "ReLU", [IMAGE], IMAGE, max_value=6.0), "Relu6"),
        (graph("keras", "ReLU", [IMAGE], IMAGE, negative_slope=0.1), "LeakyRelu"),
        (graph("keras", "Activation", [IMAGE], IMAGE, activation="linear"), "Identity"),
        (graph("keras", "Rescaling", [IMAGE, (), ()], IMAGE), "Mul Add"),
        (graph("keras", "Normalization", [IMAGE, (3,), (3,)], IMAGE), "Sub Div"),
        (graph("keras", "SeparableConv2D", [IMAGE, (3, 3, 3, 2), (1, 1, 6, 5), (5,)], (1, 8, 8, 5), activation="relu"),
         "DepthwiseConv2D Conv2D Add Relu"),
    ],
)  # fmt: skip
def test_forms(found: Graph, wanted: str) -> None:
    assert " ".join(ops(found)) == wanted


@pytest.mark.parametrize("flags", [(True, True), (True, False), (False, True), (False, False)])
def test_a_batch_norm_of_keras_knows_its_parameters(flags: tuple[bool, bool]) -> None:
    scale, center = flags
    found = graph("keras", "BatchNormalization", [IMAGE, *[(3,)] * (2 + sum(flags))], IMAGE, scale=scale, center=center)
    node = legalize(found).graph.nodes[0]
    assert [number >= 0 for number in node.inputs] == [True, scale, center, True, True]
    assert legalize(found).parameters() == 3 * (2 + sum(flags))


def test_multiply_adds_of_parts() -> None:
    separable = graph("keras", "SeparableConv2D", [IMAGE, (3, 3, 3, 2), (1, 1, 6, 5), (5,)], (1, 8, 8, 5))
    assert legalize(separable).macs == (64 * 6 * 9, 64 * 5 * 6, 0)
    transposed = graph("keras", "Conv2DTranspose", [IMAGE, (3, 3, 4, 3)], (1, 16, 16, 4))
    assert legalize(transposed).macs == (8 * 8 * 3 * 9 * 4,)
    left = graph("onnx", "MatMul", [(1, 6), (2, 6)], (1, 2), transpose_b=1)
    assert legalize(left).macs == (12,)


def test_unknown_and_custom_operators_are_kept_and_counted() -> None:
    found = graph("tflite", "MyOwnOp", [IMAGE, (4,)], IMAGE)
    legal = legalize(found)
    assert (ops(found), dict(legal.unknown), legal.parameters()) == (["MyOwnOp"], {"MyOwnOp": 1}, 4)
    assert dict(legalize(graph("onnx", "com.acme.Conv", [IMAGE], IMAGE)).unknown) == {"com.acme.Conv": 1}


def test_an_operator_of_a_later_opset_unfolds_and_is_told() -> None:
    found = replace(graph("onnx", "HardSwish", [IMAGE], IMAGE), opset=13)
    assert ops(found) == ["Add", "Relu6", "Mul", "Mul"]
    assert dict(legalize(found).unknown) == {"HardSwish (not in opset 13)": 1}
    assert not legalize(replace(found, opset=14)).unknown


def test_arithmetic_of_constants_is_known(tiny: Path) -> None:
    legal = legalize(read(tiny / "frozen.pb"))
    product = next(node for node in legal.running if node.op == "MatMul")
    assert legal.constants.leaves(product.inputs[0]) is None
    assert len(legal.constants.leaves(product.inputs[1]) or ()) == 1
    add = next(node for node in legal.running if node.op == "Add")
    values = legal.constants.values(add.inputs[1])
    assert values is not None
    assert values.shape == (160,)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_unfolding_keeps_the_wires(sizes: list[int], data: st.DataObject) -> None:
    """A chain of fused additions: every legal node reads what the one before gave, and the ends stay."""
    tensors = [Tensor("x", "float32", (1, 4))]
    nodes = []
    for index in range(len(sizes)):
        tensors += [Tensor(f"b{index}", "float32", (4,), constant=True), Tensor(f"y{index}", "float32", (1, 4))]
        word = data.draw(st.sampled_from(["", "relu", "relu6", "swish", "hard_swish", "odd"]))
        kept = {"activation": word} if word else {}
        nodes.append(Node("ADD", f"n{index}", (2 * index, 2 * index + 1), (2 * index + 2,), attributes=kept))
    last = len(tensors) - 1
    legal = legalize(Graph("tflite", tuple(nodes), tuple(tensors), {"x": 0}, {"y": last}))
    given_so_far = {0}
    for node in legal.graph.nodes:
        dynamic = [number for number in node.inputs if not legal.graph.tensors[number].constant]
        assert set(dynamic) <= given_so_far
        given_so_far |= set(node.outputs)
    assert last in given_so_far
    assert list(legal.origins) == sorted(legal.origins)
    assert set(legal.origins) == set(range(len(nodes)))


def test_the_audit_counts_the_same(tiny: Path) -> None:
    for name in FLOAT[1:]:
        found = read(tiny / name)
        assert sum(macs.count(found, node) or 0 for node in found.nodes) == MACS


def test_a_long_chain_of_constants_is_no_obstacle() -> None:
    tensors = [Tensor("c", "float32", (4,), constant=True, data=np.ones(4, np.float32)), Tensor("x", "float32", (4,))]
    nodes = []
    for index in range(3000):
        nodes.append(Node("Sqrt", f"n{index}", (0 if index == 0 else index + 1,), (index + 2,)))
        tensors.append(Tensor(f"t{index}", "float32", (4,)))
    nodes.append(Node("Add", "sum", (1, 3001), (3002,)))
    tensors.append(Tensor("y", "float32", (4,)))
    legal = legalize(Graph("onnx", tuple(nodes), tuple(tensors), {"x": 1}, {"y": 3002}))
    assert legal.constants.leaves(3001) == {0}
    assert legal.constants.values(3001) is None
    assert [float(n) for n in legal.constants.values(12)] == [1.0] * 4  # type: ignore[union-attr]
    assert [node.op for node in legal.running] == ["Add"]
