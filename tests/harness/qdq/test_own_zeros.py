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


def test_a_kernel_without_a_zero_point_needs_none() -> None:
    made = model(zeros=False)
    before = made.SerializeToString()
    assert own_zeros.apply(made) == 0
    assert made.SerializeToString() == before
