from __future__ import annotations

import itertools
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph import macs
from harness.graph.model import ABSENT, Graph, Node, Tensor

SIZE = st.integers(1, 4)


def one_node(op: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], **attributes: bool) -> Graph:
    tensors = [Tensor(f"t{i}", "float32", shape) for i, shape in enumerate([*shapes, output])]
    node = Node(op, "n", tuple(range(len(shapes))), (len(shapes),), attributes=attributes)
    return Graph("tflite", (node,), tuple(tensors), {}, {})


def counted(op: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], **attributes: bool) -> int | None:
    graph = one_node(op, shapes, output, **attributes)
    return macs.count(graph, graph.nodes[0])


@given(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE)
def test_convolution_counts_every_tap(h: int, w: int, k: int, m: int, i: int, o: int) -> None:
    taps = sum(1 for _ in itertools.product(range(h), range(w), range(o), range(k), range(m), range(i)))
    data, out = (1, h, w, i), (1, h, w, o)
    assert counted("CONV_2D", [data, (o, k, m, i)], out) == taps
    assert counted("Conv2D", [data, (k, m, i, o)], out) == taps
    assert counted("Conv", [(1, i, h, w), (o, i, k, m)], (1, o, h, w)) == taps


@given(SIZE, SIZE, SIZE, SIZE, SIZE, st.integers(1, 3))
def test_depthwise_convolution_is_one_channel_at_a_time(
    h: int, w: int, k: int, m: int, c: int, multiplier: int
) -> None:
    taps = h * w * c * multiplier * k * m
    data, out = (1, h, w, c), (1, h, w, c * multiplier)
    assert counted("DEPTHWISE_CONV_2D", [data, (1, k, m, c * multiplier)], out) == taps
    assert counted("DepthwiseConv2dNative", [data, (k, m, c, multiplier)], out) == taps
    assert counted("Conv", [(1, c, h, w), (c * multiplier, 1, k, m)], (1, c * multiplier, h, w)) == taps


@given(SIZE, SIZE, SIZE, SIZE)
def test_grouped_convolution_is_a_fraction_of_the_full_one(h: int, i: int, o: int, groups: int) -> None:
    full = counted("CONV_2D", [(1, h, h, i * groups), (o * groups, 3, 3, i * groups)], (1, h, h, o * groups))
    grouped = counted("CONV_2D", [(1, h, h, i * groups), (o * groups, 3, 3, i)], (1, h, h, o * groups))
    assert full is not None
    assert grouped is not None
    assert full == grouped * groups


@given(SIZE, SIZE, SIZE, SIZE, SIZE)
def test_transposed_convolution_scatters_every_input(h: int, w: int, k: int, i: int, o: int) -> None:
    taps = h * w * i * k * k * o
    data, out = (1, h, w, i), (1, h * 2, w * 2, o)
    assert counted("TRANSPOSE_CONV", [(4,), (o, k, k, i), data], out) == taps
    assert counted("Conv2DBackpropInput", [(4,), (k, k, o, i), data], out) == taps
    assert counted("ConvTranspose", [(1, i, h, w), (i, o, k, k)], (1, o, h * 2, w * 2)) == taps


@given(SIZE, SIZE, SIZE)
def test_dense_layer_is_rows_times_columns_times_depth(rows: int, depth: int, columns: int) -> None:
    taps = rows * depth * columns
    out = (rows, columns)
    assert counted("FULLY_CONNECTED", [(rows, depth), (columns, depth)], out) == taps
    assert counted("MatMul", [(rows, depth), (depth, columns)], out) == taps
    assert counted("Gemm", [(depth, rows), (depth, columns)], out, transpose_a=True) == taps


@given(st.lists(SIZE, max_size=2), SIZE, SIZE, SIZE, st.booleans())
def test_batched_product_repeats_over_the_batch(
    batch: list[int], rows: int, depth: int, columns: int, transposed: bool
) -> None:
    left = (*batch, depth, rows) if transposed else (*batch, rows, depth)
    taps = prod(batch) * rows * depth * columns
    out = (*batch, rows, columns)
    assert counted("BATCH_MATMUL", [left, (*batch, depth, columns)], out, transpose_a=transposed) == taps


def test_vector_product_has_no_dimension_to_swap() -> None:
    assert counted("MatMul", [(5,), (5, 2)], (2,), transpose_a=True) == 10


def test_unknown_batch_counts_as_one_image() -> None:
    assert counted("CONV_2D", [(-1, 4, 4, 3), (8, 1, 1, 3)], (-1, 4, 4, 8)) == 4 * 4 * 8 * 3


@pytest.mark.parametrize(
    ("shapes", "output"),
    [
        ([(1, 4, 4, 3), (8, 1, 1, 3)], (1, -1, 4, 8)),
        ([(1, 4, 4, 3), (8, 1, 1, -1)], (1, 4, 4, 8)),
        ([(1, 4, 4, 3)], (1, 4, 4, 8)),
    ],
)
def test_unknown_shapes_are_not_guessed(shapes: list[tuple[int, ...]], output: tuple[int, ...]) -> None:
    assert counted("CONV_2D", shapes, output) is None


def test_other_operators_do_none() -> None:
    assert counted("ADD", [(1, 4), (1, 4)], (1, 4)) == 0


def test_operand_looks_through_dequantize() -> None:
    tensors = (
        Tensor("x", "float32", (1, 2)),
        Tensor("w16", "float16", (3, 2), constant=True, bytes=12, buffer=1),
        Tensor("w", "float32", (3, 2)),
        Tensor("y", "float32", (1, 3)),
    )
    nodes = (Node("DEQUANTIZE", "d", (1,), (2,)), Node("FULLY_CONNECTED", "fc", (0, 2, ABSENT), (3,)))
    graph = Graph("tflite", nodes, tensors, {"x": 0}, {"y": 3})
    assert macs.operand(graph, nodes[1], 1) is tensors[1]
    assert macs.operand(graph, nodes[1], 0) is tensors[0]
    assert macs.operand(graph, nodes[1], 2) is None
    assert [tensor.name for _, tensor in macs.kernels(graph)] == ["w16"]


def test_operand_of_a_cyclic_graph_ends() -> None:
    tensors = (Tensor("a", "float32", (1,)), Tensor("b", "float32", (1,)))
    nodes = (Node("RESHAPE", "r", (0,), (1,)), Node("RESHAPE", "s", (1,), (0,)))
    graph = Graph("tflite", nodes, tensors, {}, {})
    assert macs.operand(graph, nodes[0], 0) is tensors[0]
