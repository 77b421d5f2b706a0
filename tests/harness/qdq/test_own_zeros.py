"""Kernels that share a zero point get one each: ONNX Runtime can then turn them to uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import processor
from harness.qdq import own_zeros


def model(*, zeros: bool = True) -> Any:
    """Return image → rounding → two convolutions whose kernels share one zero point, each followed by a rounding."""
    random, nodes, value = np.random.default_rng(0), [], "image"
    constants = {
        "s": np.float32(0.03),
        "z": np.uint8(90),
        "ks": np.full(3, 0.01, np.float32),
        "kz": np.zeros(3, np.int8),
    }
    for number in range(2):
        nodes.append(helper.make_node("QuantizeLinear", [value, "s", "z"], [f"q{number}"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"q{number}", "s", "z"], [f"dq{number}"]))
        constants[f"k{number}"] = random.integers(-127, 128, (3, 3, 3, 3)).astype(np.int8)
        kernel = [f"k{number}", "ks", *(["kz"] if zeros else [])]
        nodes.append(helper.make_node("DequantizeLinear", kernel, [f"w{number}"], axis=0))
        nodes.append(helper.make_node("Conv", [f"dq{number}", f"w{number}"], [f"c{number}"]))
        value = f"c{number}"
    nodes.append(helper.make_node("QuantizeLinear", [value, "s", "z"], ["last"]))
    nodes.append(helper.make_node("DequantizeLinear", ["last", "s", "z"], ["y"]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 4, 4))],
        [numpy_helper.from_array(np.asarray(one), name) for name, one in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(made: Any, level: str = "ORT_ENABLE_ALL") -> Any:
    settings = ort.SessionOptions()
    settings.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    settings.add_session_config_entry(*processor.ORT_EXACT_INT8)
    session = ort.InferenceSession(made.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.random.default_rng(5).normal(0, 2, (1, 3, 8, 8)).astype(np.float32)})[0]


def test_each_kernel_has_its_own_and_the_graph_says_what_it_said() -> None:
    made = model()
    before = run(made, "ORT_DISABLE_ALL")
    assert own_zeros.apply(made) == 1
    onnx.checker.check_model(made, full_check=True)
    zeros = [node.input[2] for node in made.graph.node if node.op_type == "DequantizeLinear" and "k" in node.input[0]]
    assert len(set(zeros)) == len(zeros) == 2
    assert np.array_equal(run(made), before)
    assert own_zeros.apply(made) == 0  # once is enough


@pytest.mark.skipif(processor.adds_int8_without_saturation(), reason="needs x86 without VNNI: nothing overflows here")
def test_onnx_runtime_stops_at_a_shared_one() -> None:
    with pytest.raises(Exception, match="Attempt to replace the existing tensor"):
        run(model())


def test_integers_that_are_another_constants_zero_point_get_a_name_of_their_own() -> None:
    made = model()
    made.graph.initializer.append(numpy_helper.from_array(np.int8(0), "zero"))
    made.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "one_scale"))
    for name in ("first", "second"):  # 0 · 0.1, its integers the zero point as well
        made.graph.node.append(helper.make_node("DequantizeLinear", ["zero", "one_scale", "zero"], [name]))
    made.graph.node.append(helper.make_node("Add", ["first", "second"], ["both"]))
    made.graph.output.append(helper.make_tensor_value_info("both", TensorProto.FLOAT, ()))
    assert own_zeros.apply(made) == 1 + 3
    onnx.checker.check_model(made, full_check=True)
    run(made)
    assert own_zeros.apply(made) == 0


def test_each_reader_of_a_constant_has_its_own() -> None:
    made = model()
    extra = [
        helper.make_node("DequantizeLinear", ["sixth", "one_scale", "zero"], ["factor"]),
        helper.make_node("Mul", ["y", "factor"], ["once"]),
        helper.make_node("Mul", ["factor", "factor"], ["square"]),
        helper.make_node("Mul", ["once", "square"], ["end"]),
    ]
    made.graph.node.extend(extra)
    for name, value in (("sixth", np.int8(43)), ("zero", np.int8(0)), ("one_scale", np.float32(0.004))):
        made.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("end", TensorProto.FLOAT, (1, 3, 4, 4)))
    before = run(made, "ORT_DISABLE_ALL")
    assert own_zeros.apply(made) == 1 + 2 + 2 * 2  # a zero point; two operators, each with two constants
    onnx.checker.check_model(made, full_check=True)
    readers = [name for node in made.graph.node if node.op_type == "Mul" for name in node.input if "factor" in name]
    assert len(set(readers)) == len(readers) == 3
    assert np.array_equal(run(made, "ORT_DISABLE_ALL"), before)
    run(made)
    assert own_zeros.apply(made) == 0


def test_a_kernel_without_a_zero_point_needs_none() -> None:
    made = model(zeros=False)
    before = made.SerializeToString()
    assert own_zeros.apply(made) == 0
    assert made.SerializeToString() == before
