"""int8 activations become uint8 without a change of any number, wherever nothing else reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from harness.qdq import unsigned

SHAPE = (1, 3, 6, 6)
RANDOM = np.random.default_rng(0)
STEPS = st.sampled_from(["conv", "relu", "moved", "none"])


def chain(steps: list[str], zeros: list[int]) -> Any:
    """Return float → Q → DQ → operator → Q → DQ → …; each pair with a zero point of its own."""
    nodes, constants, value = [], [], "image"
    constants.append(numpy_helper.from_array(RANDOM.normal(0, 0.3, (3, 3, 1, 1)).astype(np.float32), "kernel"))

    def pair(name: str, zero: int) -> str:
        constants.append(numpy_helper.from_array(np.float32(0.05), f"{name}_scale"))
        constants.append(numpy_helper.from_array(np.int8(zero), f"{name}_zero"))
        parameters = [f"{name}_scale", f"{name}_zero"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_q"]))
        return f"{name}_q"

    def back(name: str, integer: str) -> str:
        nodes.append(helper.make_node("DequantizeLinear", [integer, f"{name}_scale", f"{name}_zero"], [f"{name}_dq"]))
        return f"{name}_dq"

    for number, (step, zero) in enumerate(zip(steps, zeros, strict=True)):
        integer = pair(value, zero)
        if step == "moved":  # an operator on the integers themselves
            nodes.append(helper.make_node("Transpose", [integer], [f"moved{number}"], perm=[0, 1, 3, 2]))
            integer = f"moved{number}"
        value = back(value, integer)
        if step == "conv":
            nodes.append(helper.make_node("Conv", [value, "kernel"], [f"value{number}"]))
            value = f"value{number}"
        if step == "relu":
            nodes.append(helper.make_node("Relu", [value], [f"value{number}"]))
            value = f"value{number}"
    nodes.append(helper.make_node("Identity", [value], ["out"]))
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("image", "out")]
    graph = helper.make_graph(nodes, "chain", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(model: Any, image: Any, level: str = "ORT_DISABLE_ALL") -> Any:
    import onnxruntime as ort

    settings_ = ort.SessionOptions()
    settings_.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    session = ort.InferenceSession(model.SerializeToString(), settings_, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["conv", "relu", "moved", "none"]), st.integers(-128, 127)), min_size=1, max_size=5
    )
)
def test_every_number_stays(steps: list[tuple[str, int]]) -> None:
    model = chain([step for step, _ in steps], [zero for _, zero in steps])
    image = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
    before = run(model, image)
    assert unsigned.apply(model) == 2 * len(steps)
    onnx.checker.check_model(model, full_check=True)
    assert {numpy_helper.to_array(one).dtype for one in model.graph.initializer} <= {
        np.dtype("float32"),
        np.dtype("uint8"),
    }
    assert np.array_equal(before, run(model, image))


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
def test_an_output_keeps_its_dtype_and_its_integers(level: str) -> None:
    model = chain(["conv", "relu"], [3, -20])
    integer = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"][-1]
    model.graph.output.insert(0, helper.make_tensor_value_info(integer, TensorProto.INT8, SHAPE))
    image = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
    before = run(model, image)
    assert unsigned.apply(model) == 5
    onnx.checker.check_model(model, full_check=True)
    after = run(model, image, level)
    assert after.dtype == np.int8
    ties = level == "ORT_ENABLE_ALL"  # integer kernels may round one the other way
    assert np.abs(before.astype(int) - after).max() <= ties
    assert np.mean(before != after) < 0.2


def test_an_input_keeps_its_dtype_and_the_convolution_behind_it_is_an_integer_kernel(tmp_path: Path) -> None:
    """A convolution of int8 to uint8 stays in float; all images that there can be give the same integers."""
    import onnxruntime as ort

    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 3, 1, 2]),
                helper.make_node("DequantizeLinear", ["moved", "scale", "zero"], ["real"]),
                helper.make_node("DequantizeLinear", ["w", "scale", "w_zero"], ["kernel"]),
                helper.make_node("Conv", ["real", "kernel"], ["sum"]),
                helper.make_node("QuantizeLinear", ["sum", "out_scale", "zero"], ["out"]),
            ],
            "g",
            [helper.make_tensor_value_info("image", TensorProto.INT8, (1, 16, 16, 1))],
            [helper.make_tensor_value_info("out", TensorProto.INT8, (1, 4, 16, 16))],
            [
                numpy_helper.from_array(np.float32(0.0131), "scale"),
                numpy_helper.from_array(np.float32(0.0377), "out_scale"),
                numpy_helper.from_array(np.int8(-7), "zero"),
                numpy_helper.from_array(np.int8(0), "w_zero"),
                numpy_helper.from_array(np.int8([[[[90]]], [[[-31]]], [[[127]]], [[[1]]]]), "w"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    image = np.arange(-128, 128, dtype=np.int16).astype(np.int8).reshape(1, 16, 16, 1)
    before = run(model, image)
    assert unsigned.apply(model) == 4
    onnx.checker.check_model(model, full_check=True)
    after = run(model, image, "ORT_ENABLE_ALL")
    assert (after.dtype, after.shape) == (np.int8, (1, 4, 16, 16))
    assert np.array_equal(before, after)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ops = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert "QLinearConv" in ops
    assert not {"Conv", "FusedConv"} & set(ops)


def test_what_another_operator_reads_as_an_integer_keeps_its_dtype() -> None:
    model = chain(["relu"], [3])
    integer = next(node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear")
    model.graph.node.insert(1, helper.make_node("Cast", [integer], ["cast"], to=TensorProto.FLOAT))
    model.graph.output.append(helper.make_tensor_value_info("cast", TensorProto.FLOAT, SHAPE))
    assert unsigned.apply(model) == 0


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_ALL"])
def test_weights_are_left_as_they_are(level: str) -> None:
    model = chain(["conv", "relu"], [5, -128])
    graph = model.graph
    numbers = RANDOM.integers(-127, 128, (3, 3, 1, 1)).astype(np.int8)
    graph.initializer.extend(
        [
            numpy_helper.from_array(numbers, "w"),
            numpy_helper.from_array(np.full(3, 0.01, np.float32), "w_scale"),
            numpy_helper.from_array(np.zeros(3, np.int8), "w_zero"),
        ]
    )
    graph.node.insert(0, helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_dq"], axis=0))
    next(node for node in graph.node if node.op_type == "Conv").input[1] = "w_dq"
    image = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
    before = run(model, image, level)
    assert unsigned.apply(model) == 4
    kept = next(one for one in graph.initializer if one.name == "w")
    assert np.array_equal(numpy_helper.to_array(kept), numbers)
    assert np.abs(before - run(model, image, level)).max() <= 0.05  # integer kernels may round a tie the other way
