"""Kernels on a grid become int8 with a scale for each channel; what is on none stays and is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from harness.qdq import kernels

RANDOM = np.random.default_rng(0)
numbers = hnp.arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.integers(-127, 127))


def snapped(shape: tuple[int, ...], axis: int) -> tuple[Any, Any]:
    """Return a float kernel on the grid, and the scales of its channels; each channel reaches ±127."""
    whole = RANDOM.integers(-126, 127, shape).astype(np.float32)
    first = [0] * len(shape)
    for channel in range(shape[axis]):
        first[axis] = channel
        whole[tuple(first)] = 127 * (-1) ** channel
    scales = RANDOM.uniform(0.001, 0.1, shape[axis]).astype(np.float32)
    view = [1] * len(shape)
    view[axis] = -1
    return whole * scales.reshape(view), scales


@given(numbers, st.floats(1e-4, 10), st.sampled_from([0, 1]))
def test_what_is_on_a_grid_is_found_again(whole: Any, scale: float, axis: int) -> None:
    reached = np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)
    reached[:, 0] = 127
    kernel = (whole * np.float32(scale)).astype(np.float32)
    found = kernels.on_grid(kernel, axis)
    assert found is not None
    integers, scales = found
    assert np.array_equal(integers, whole)
    assert np.allclose(scales, scale, rtol=1e-5)


def test_a_channel_of_zeros_has_a_scale() -> None:
    found = kernels.on_grid(np.zeros((2, 3), np.float32), 0)
    assert found is not None
    assert (found[1] > 0).all()


def test_any_other_kernel_is_on_no_grid() -> None:
    assert kernels.on_grid(RANDOM.normal(size=(4, 9)).astype(np.float32), 0) is None


def model(op: str, kernel: Any, *, moved: bool = False, rounded: bool = True, **attributes: Any) -> Any:
    """Return image → rounding (→ Transpose) → ``op`` with ``kernel`` and a bias → rounding."""
    conv = op == "Conv"
    channels = kernel.shape[0 if conv or attributes.get("transB") else 1]
    constants = {"w": kernel, "in_scale": np.float32(0.02), "in_zero": np.uint8(120), "out_scale": np.float32(0.05)}
    constants |= {"out_zero": np.uint8(128), "b": RANDOM.normal(0, 1, channels).astype(np.float32)}
    nodes, value = [], "image"
    if rounded:
        nodes.append(helper.make_node("QuantizeLinear", ["image", "in_scale", "in_zero"], ["q"]))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "in_scale", "in_zero"], ["dq"]))
        value = "dq"
    if moved:
        nodes.append(helper.make_node("Transpose", [value], ["moved"], perm=[0, 3, 1, 2]))
        value = "moved"
    inputs = [value, "w"] + ([] if op == "MatMul" else ["b"])
    if op == "MatMul":
        del constants["b"]
    nodes.append(helper.make_node(op, inputs, ["made"], name="it", **attributes))
    nodes.append(helper.make_node("QuantizeLinear", ["made", "out_scale", "out_zero"], ["made_q"]))
    nodes.append(helper.make_node("DequantizeLinear", ["made_q", "out_scale", "out_zero"], ["out"]))
    picture = (1, 6, 6, 4) if moved else (1, 4, 6, 6)
    shape = picture if conv else (1, kernel.shape[1 if attributes.get("transB") else 0])
    size = 7 - kernel.shape[-1]
    made = (1, channels, size, size) if conv else (1, channels)
    ports = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    outs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, made)]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "one", ports, outs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(made: Any) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    image = np.random.default_rng(5).normal(0, 1, port.shape).astype(np.float32)
    return session.run(None, {port.name: image})[0]


CASES: list[tuple[str, tuple[int, ...], int, dict[str, Any]]] = [
    ("Conv", (5, 4, 3, 3), 0, {}),
    ("Conv", (5, 4, 1, 1), 0, {"moved": True}),
    ("Conv", (4, 1, 3, 3), 0, {"group": 4}),
    ("Gemm", (7, 3), 1, {}),
    ("Gemm", (3, 7), 0, {"transB": 1}),
    ("MatMul", (7, 3), 1, {}),
]


@pytest.mark.parametrize(("op", "shape", "axis", "more"), CASES)
def test_the_model_says_the_same_and_its_kernel_is_int8(op: str, shape: Any, axis: int, more: dict[str, Any]) -> None:
    kernel, scales = snapped(shape, axis)
    made = model(op, kernel, **more)
    before = run(made)
    found = kernels.apply(made)
    assert (found.integer, found.floating) == (1, ())
    onnx.checker.check_model(made, full_check=True)
    constants = {one.name: numpy_helper.to_array(one) for one in made.graph.initializer}
    assert constants["w_quantized"].dtype == np.int8
    assert np.allclose(constants["w_scale"], scales, rtol=1e-5)
    assert "w" not in constants
    if op != "MatMul":
        assert constants["b_quantized"].dtype == np.int32
        assert np.allclose(constants["b_scale"], 0.02 * scales, rtol=1e-5)
    assert (
        np.abs(before - run(made)).max() <= 0.05 * 1.001
    )  # a bias moves by half of a step that is finer than the output's


def test_a_batch_normalization_folded_into_it_changes_nothing() -> None:
    kernel, _ = snapped((6, 4, 3, 3), 0)
    factor = RANDOM.uniform(-3, 3, (6, 1, 1, 1)).astype(np.float32)
    assert kernels.apply(model("Conv", kernel * factor)).integer == 1


def test_what_is_on_no_grid_is_told_and_left() -> None:
    made = model("Conv", RANDOM.normal(size=(5, 4, 3, 3)).astype(np.float32))
    content = made.SerializeToString()
    assert kernels.apply(made).floating == ("it",)
    assert made.SerializeToString() == content


def test_where_the_input_is_not_rounded_the_kernel_stays() -> None:
    kernel, _ = snapped((5, 4, 3, 3), 0)
    assert kernels.apply(model("Conv", kernel, rounded=False)).floating == ("it",)
