"""Shipped patterns in the forms that converters write them in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.graph.matching.load import load
from harness.graph.matching.search import find, largest
from harness.graph.model import Graph
from tests.harness.graph.building import Building

Block = Callable[[Building, int], int]


def number(building: Building, value: float) -> int:
    return building.constant((), data=np.float32(value))


def hard_sigmoid(building: Building, x: int, three: float = 3.0) -> int:
    six = building.node("Relu6", building.node("AddV2", x, number(building, three)))
    return building.node("Mul", six, number(building, 1 / 6))


def gate_first(building: Building, x: int) -> int:
    return building.node("Mul", hard_sigmoid(building, x), x)


def gate_last(building: Building, x: int) -> int:
    six = building.node("Clip", building.node("Add", number(building, 3), x))
    return building.node("Mul", building.node("Mul", x, six), number(building, 1 / 6))


def product(building: Building, x: int, op: str = "Conv2D") -> int:
    kernel = building.node("ReadVariableOp", building.constant((1, 1, 4, 4)))
    return building.node("BiasAdd", building.node(op, x, kernel), building.node("ReadVariableOp", building.constant()))


def excite(building: Building, x: int) -> int:
    mean = building.node("Reshape", building.node("Mean", x, building.constant((2,))), building.constant((4,)))
    inner = product(building, building.node("Relu", product(building, mean)))
    return building.node("Mul", hard_sigmoid(building, inner), x)


def excite_with_swish(building: Building, x: int) -> int:
    inner = product(building, building.node("GlobalAveragePool", x))
    swish = building.node("Identity", building.node("Mul", inner, building.node("Sigmoid", inner)))
    return building.node("Mul", x, building.node("Sigmoid", product(building, swish)))


def excite_int8(building: Building, x: int) -> int:
    """Write what TFLite makes of it: a fused hard sigmoid, its last factor stored as an integer with a scale."""
    inner = building.conv(building.conv(building.node("MEAN", x, building.constant((2,)))))
    sixth = building.constant((), dtype="int8", data=np.int8(100), scales=(1 / 600,), zero_points=(0,))
    return building.node("MUL", x, building.node("MUL", inner, sixth))


def normalized(building: Building, x: int) -> int:
    statistics = [building.node("ReadVariableOp", building.constant()) for _ in range(4)]
    return building.node("Relu6", building.node("FusedBatchNormV3", product(building, x), *statistics))


BLOCKS: list[tuple[str, Block, int]] = [
    ("hard_swish", gate_first, 4),
    ("hard_swish", gate_last, 4),
    ("hard_swish", lambda building, x: building.node("HARD_SWISH", x), 1),
    ("squeeze_excite", excite, 11),
    ("squeeze_excite", excite_with_swish, 10),
    ("squeeze_excite", excite_int8, 5),
    ("conv_bn_relu", normalized, 4),
    ("dense_bias_activation", lambda b, x: b.node("Relu", product(b, x, "MatMul")), 3),
    ("dense_bias_activation", lambda b, x: b.node("SOFTMAX", b.node("FULLY_CONNECTED", x, b.constant((4, 4)))), 2),
]


def found(name: str, graph: Graph) -> list[int]:
    """Return how many nodes each match has."""
    return [len(match.positions) for match in largest(match for form in load(name) for match in find(graph, form))]


@pytest.mark.parametrize(("name", "block", "size"), BLOCKS)
def test_a_block_is_found_whole_as_often_as_it_is_there(name: str, block: Block, size: int) -> None:
    building = Building("frozen")
    out = building.input()
    for _ in range(3):
        out = block(building, building.node("MaxPool", out))
    assert found(name, building.graph(building.node("MaxPool", out))) == [size] * 3


def test_another_number_makes_another_function() -> None:
    building = Building("frozen")
    x = building.input()
    assert not found("hard_swish", building.graph(building.node("Mul", hard_sigmoid(building, x, three=2.5), x)))


def test_a_gate_for_another_value_is_no_squeeze_and_excite() -> None:
    building = Building("frozen")
    x, other = building.input(), building.input("other")
    gate = product(building, product(building, building.node("Mean", x, building.constant((2,)))))
    assert not found("squeeze_excite", building.graph(building.node("Mul", other, gate)))
