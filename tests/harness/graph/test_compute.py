from __future__ import annotations

from dataclasses import replace

import pytest

from harness.graph.compute import arithmetic, is_float_compute
from harness.graph.model import Graph, Node, Tensor


def graph_of(op: str, dtypes: list[str], output: str) -> Graph:
    tensors = tuple(Tensor(f"t{i}", dtype, (1, 2)) for i, dtype in enumerate([*dtypes, output]))
    node = Node(op, "n", tuple(range(len(dtypes))), (len(dtypes),))
    return Graph("tflite", (node,), tensors, {"t0": 0}, {"y": len(dtypes)})


@pytest.mark.parametrize(
    ("op", "dtypes", "output", "expected"),
    [
        ("CONV_2D", ["int8", "int8", "int32"], "int8", "int8"),
        ("CONV_2D", ["uint8", "uint8", "int32"], "uint8", "int8"),
        ("CONV_2D", ["int8", "int4", "int32"], "int8", "int8"),
        ("CONV_2D", ["int16", "int8", "int64"], "int16", "int16"),
        ("CONV_2D", ["float32", "int8", "float32"], "float32", "hybrid"),
        ("CONV_2D", ["float32", "float32", "float32"], "float32", "float"),
        ("FULLY_CONNECTED", ["float16", "float16"], "float16", "float"),
        ("BATCH_MATMUL", ["int8", "int8"], "int8", "int8"),
        ("TRANSPOSE_CONV", ["int32", "int8", "int8"], "int8", "int8"),
        ("TRANSPOSE_CONV", ["int32", "float32", "float32"], "float32", "float"),
        ("ADD", ["int8", "int8"], "int8", "int8"),
        ("ADD", ["int16", "int16"], "int16", "int16"),
        ("MUL", ["float32", "float32"], "float32", "float"),
        ("MUL", ["int32", "int32"], "int32", "other"),
        ("FlexErf", ["float32"], "float32", "float"),
        ("QUANTIZE", ["float32"], "int8", "none"),
        ("DEQUANTIZE", ["int8"], "float32", "none"),
        ("RESHAPE", ["float32", "int32"], "float32", "none"),
        ("CONCATENATION", ["float32", "float32"], "float32", "none"),
    ],
)
def test_arithmetic_of_one_node(op: str, dtypes: list[str], output: str, expected: str) -> None:
    graph = graph_of(op, dtypes, output)
    assert arithmetic(graph, graph.nodes[0]) == expected
    assert is_float_compute(graph, graph.nodes[0]) == (expected in ("float", "hybrid"))


def test_what_tensorflow_js_loads_is_float() -> None:
    graph = replace(graph_of("Conv2D", ["float32", "uint8"], "float32"), format="tfjs")
    assert arithmetic(graph, graph.nodes[0]) == "float"


def qdq(*, weight: str = "int8", tail: tuple[str, ...] = ("QuantizeLinear",), extra_output: bool = False) -> Graph:
    """Return x → Q → DQ → Conv(DQ(w)) → ``tail``, each as ONNX writes it."""
    tensors = [
        Tensor("x", "float32", (1, 3, 4, 4)), Tensor("xq", "uint8", (1, 3, 4, 4)),
        Tensor("xf", "float32", (1, 3, 4, 4)), Tensor("wq", weight, (8, 3, 1, 1), constant=True),
        Tensor("wf", "float32", (8, 3, 1, 1)), Tensor("y0", "float32", (1, 8, 4, 4)),
    ]  # fmt: skip
    nodes = [
        Node("QuantizeLinear", "q", (0,), (1,)), Node("DequantizeLinear", "dq", (1,), (2,)),
        Node("DequantizeLinear", "dw", (3,), (4,)), Node("Conv", "conv", (2, 4), (5,)),
    ]  # fmt: skip
    for index, op in enumerate(tail):
        tensors.append(Tensor(f"y{index + 1}", "uint8" if op == "QuantizeLinear" else "float32", (1, 8, 4, 4)))
        nodes.append(Node(op, f"tail{index}", (len(tensors) - 2,), (len(tensors) - 1,)))
    outputs = {"y": len(tensors) - 1} | ({"early": 5} if extra_output else {})
    return Graph("onnx", tuple(nodes), tuple(tensors), {"x": 0}, outputs)


def of(graph: Graph, name: str) -> str:
    return arithmetic(graph, next(node for node in graph.nodes if node.name == name))


def test_qdq_convolution_counts_as_integer() -> None:
    assert of(qdq(), "conv") == "int8"


def test_qdq_activation_belongs_to_its_convolution() -> None:
    graph = qdq(tail=("Relu", "QuantizeLinear"))
    assert (of(graph, "conv"), of(graph, "tail0")) == ("int8", "int8")


@pytest.mark.parametrize("tail", [("Squeeze", "QuantizeLinear"), ("Relu", "Reshape", "Squeeze", "QuantizeLinear")])
def test_qdq_moving_numbers_about_before_rounding_changes_nothing(tail: tuple[str, ...]) -> None:
    assert of(qdq(tail=tail), "conv") == "int8"


def test_qdq_two_activations_or_a_long_way_to_the_rounding_are_not_one_kernel() -> None:
    assert of(qdq(tail=("Relu", "Clip", "QuantizeLinear")), "conv") == "float"
    assert of(qdq(tail=(*["Reshape"] * 9, "QuantizeLinear")), "conv") == "float"


def test_qdq_activation_behind_a_sum_belongs_to_the_sum() -> None:
    graph = qdq(tail=("Relu", "QuantizeLinear"))
    nodes = tuple(Node("Add", n.name, n.inputs, n.outputs) if n.op == "Conv" else n for n in graph.nodes)
    made = Graph("onnx", nodes, graph.tensors, graph.inputs, graph.outputs)
    assert (of(made, "conv"), of(made, "tail0")) == ("int8", "int8")


def test_qdq_other_operator_in_between_is_float() -> None:
    graph = qdq(tail=("Sigmoid", "QuantizeLinear"))
    assert (of(graph, "conv"), of(graph, "tail0")) == ("float", "float")


def test_qdq_without_quantized_output_is_float() -> None:
    assert of(qdq(tail=()), "conv") == "float"
    assert of(qdq(extra_output=True), "conv") == "float"


def test_qdq_with_16_bit_activations_is_int16() -> None:
    graph = qdq()
    tensors = tuple(Tensor(t.name, "int16", t.shape) if t.dtype == "uint8" else t for t in graph.tensors)
    assert of(Graph("onnx", graph.nodes, tensors, graph.inputs, graph.outputs), "conv") == "int16"


def test_same_pattern_in_tflite_is_float() -> None:
    """LiteRT does not fuse: what stands between DEQUANTIZE and QUANTIZE computes in float."""
    graph = qdq()
    nodes = tuple(
        Node({"Conv": "CONV_2D"}.get(n.op, n.op.removesuffix("Linear").upper()), n.name, n.inputs, n.outputs)
        for n in graph.nodes
    )
    assert of(Graph("tflite", nodes, graph.tensors, graph.inputs, graph.outputs), "conv") == "float"


@pytest.mark.parametrize(("producer", "expected"), [("DynamicQuantizeLinear", "hybrid"), ("QuantizeLinear", "int8")])
def test_integer_product_is_hybrid_when_quantized_on_the_fly(producer: str, expected: str) -> None:
    tensors = (
        Tensor("x", "float32", (1, 4)), Tensor("xq", "uint8", (1, 4)),
        Tensor("w", "int8", (4, 2), constant=True), Tensor("y", "int32", (1, 2)),
    )  # fmt: skip
    nodes = (Node(producer, "q", (0,), (1,)), Node("MatMulInteger", "mm", (1, 2), (3,)))
    assert of(Graph("onnx", nodes, tensors, {"x": 0}, {"y": 3}), "mm") == expected


def test_qoperator_is_integer_though_its_scales_are_float() -> None:
    dtypes = ["uint8", "float32", "uint8", "int8", "float32", "int8", "float32", "uint8"]
    tensors = tuple(Tensor(f"t{i}", dtype, (1,)) for i, dtype in enumerate([*dtypes, "uint8"]))
    graph = Graph("onnx", (Node("QLinearConv", "n", tuple(range(8)), (8,)),), tensors, {}, {})
    assert of(graph, "n") == "int8"
