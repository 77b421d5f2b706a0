"""What becomes one box."""

from __future__ import annotations

from hypothesis import given

from harness.graph.drawing.steps import Flow, flow
from harness.graph.model import Graph
from tests.harness.graph.building import Building
from tests.harness.graph.test_order import graphs


def ops(found: Flow) -> list[str]:
    return ["+".join(node.op for node in step.nodes) for step in found.steps]


def tf_block(building: Building, data: int) -> int:
    """Pad, convolution, batch normalization, relu, their weights through variables."""
    padded = building.node("Pad", data, building.constant((4, 2)))
    kernel = building.node("ReadVariableOp", building.constant((3, 3, 4, 4)))
    out = building.node("Conv2D", padded, kernel)
    means = [building.node("ReadVariableOp", building.constant()) for _ in range(4)]
    return building.node("Relu6", building.node("FusedBatchNormV3", out, *means))


def test_a_convolution_takes_in_what_belongs_to_it() -> None:
    building = Building("saved_model")
    found = flow(building.graph(tf_block(building, tf_block(building, building.input()))))
    assert ops(found) == ["Pad+Conv2D+FusedBatchNormV3+Relu6"] * 2
    assert [step.lead.op for step in found.steps] == ["Conv2D", "Conv2D"]
    assert found.steps[1].inputs == found.steps[0].outputs


def test_unfolded_each_operator_is_a_step_and_weights_are_not() -> None:
    building = Building("saved_model")
    found = flow(building.graph(tf_block(building, building.input())), fold=False)
    assert ops(found) == ["Pad", "Conv2D", "FusedBatchNormV3", "Relu6"]


def test_what_somebody_else_reads_ends_a_step() -> None:
    building = Building()
    out = building.conv(building.input())
    ends = building.node("RELU", out), building.node("MEAN", out)
    assert ops(flow(building.graph(*ends))) == ["CONV_2D", "RELU", "MEAN"]


def test_what_the_caller_sees_ends_a_step() -> None:
    building = Building()
    out = building.conv(building.input())
    assert ops(flow(building.graph(out, building.node("RELU", out)))) == ["CONV_2D", "RELU"]


def test_a_sum_of_two_values_takes_in_its_activation_and_no_scale() -> None:
    building = Building()
    data = building.input()
    total = building.node("ADD", building.conv(data), data)
    out = building.node("MUL", building.node("RELU", total), building.constant())
    assert ops(flow(building.graph(out))) == ["CONV_2D", "ADD+RELU", "MUL"]


def test_swish_written_as_a_product_belongs_to_the_convolution() -> None:
    building = Building("saved_model")
    out = building.conv(building.input())
    product = building.node("Mul", out, building.node("Sigmoid", building.node("Mul", out, building.constant(()))))
    assert ops(flow(building.graph(building.node("MEAN", product)))) == ["CONV_2D+Mul+Sigmoid+Mul", "MEAN"]


def test_a_gate_of_another_value_is_no_swish() -> None:
    building = Building()
    out = building.conv(building.input())
    gate = building.node("LOGISTIC", building.conv(building.node("MEAN", out)))
    found = flow(building.graph(building.node("MUL", out, gate)))
    assert ops(found) == ["CONV_2D", "MEAN", "CONV_2D+LOGISTIC", "MUL"]


def test_qdq_is_no_step_of_its_own_and_hands_over_integers() -> None:
    building = Building("onnx")
    scale, zero = building.constant((1,)), building.constant((1,), dtype="int8")
    weights = building.node("DequantizeLinear", building.constant((4, 4, 1, 1), dtype="int8"), scale, zero)
    conv = building.node("Conv", building.input(), weights)
    rounded = building.node("QuantizeLinear", conv, scale, zero, dtype="int8", scales=(0.5,), zero_points=(3,))
    out = building.node("DequantizeLinear", rounded, scale, zero)
    found = flow(building.graph(building.node("MaxPool", out)))
    assert ops(found) == ["Conv+QuantizeLinear+DequantizeLinear", "MaxPool"]
    carried = found.carried(found.steps[0].outputs[0])
    assert (carried.dtype, carried.scales, carried.zero_points) == ("int8", (0.5,), (3,))


def test_chance_is_drawn_though_it_reads_constants_only() -> None:
    building = Building("frozen")
    noise = building.node("RandomUniform", building.node("Const"))
    assert ops(flow(building.graph(building.node("Mul", building.input(), noise)))) == ["RandomUniform", "Mul"]


@given(graphs())
def test_every_operator_is_in_one_step_and_steps_are_in_order(graph: Graph) -> None:
    found = flow(graph)
    assert sorted(node.name for step in found.steps for node in step.nodes) == sorted(n.name for n in graph.nodes)
    made = set(graph.inputs.values())
    for step in found.steps:
        assert set(step.inputs) <= made
        made.update(step.outputs)


def test_a_value_that_others_read_stays_apart_from_its_swish() -> None:
    building = Building("saved_model")
    out = building.conv(building.input())
    product = building.node("Mul", out, building.node("Sigmoid", out))
    found = flow(building.graph(building.node("MEAN", product), building.node("MaxPool", out)))
    assert ops(found) == ["CONV_2D", "Sigmoid+Mul", "MEAN", "MaxPool"]
    assert found.steps[1].lead.op == "Mul"
