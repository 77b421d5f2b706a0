"""A max pooling or concatenation of integers stands between roundings, and says what it said before."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.qdq import rounded

CONV = numpy_helper.from_array(np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype(np.float32), "w")
GRID = [numpy_helper.from_array(np.float32(0.03), "s"), numpy_helper.from_array(np.uint8(90), "z")]


def model(*, padded: bool = False, grid: bool = True, then: str = "Conv") -> Any:
    """Return image → rounding (→ Pad) → MaxPool → Conv or rounding or nothing."""
    nodes, value = [], "image"
    if grid:
        nodes.append(helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]))
        value = "dq"
    if padded:
        nodes.append(helper.make_node("Pad", [value, "pads"], ["padded"]))
        value = "padded"
    last = "y" if then == "nothing" else "pool"
    nodes.append(helper.make_node("MaxPool", [value], [last], name="pooling", kernel_shape=[2, 2]))
    if then == "Conv":
        nodes.append(helper.make_node("Conv", ["pool", "w"], ["y"]))
    if then == "rounding":
        nodes.append(helper.make_node("QuantizeLinear", ["pool", "s", "z"], ["pq"]))
        nodes.append(helper.make_node("DequantizeLinear", ["pq", "s", "z"], ["y"]))
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 6, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, None, None, None))], [*GRID, CONV, pads],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(made: Any) -> Any:
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(5).normal(0, 2, (1, 3, 6, 6)).astype(np.float32)
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("padded", [False, True])
def test_the_convolution_behind_it_reads_integers(padded: bool) -> None:
    made = model(padded=padded)
    before = run(made)
    assert rounded.apply(made) == 1
    onnx.checker.check_model(made, full_check=True)
    producers = {name: node.op_type for node in made.graph.node for name in node.output}
    conv = next(node for node in made.graph.node if node.op_type == "Conv")
    assert producers[conv.input[0]] == "DequantizeLinear"
    assert np.array_equal(before, run(made))
    assert rounded.apply(made) == 0  # once is enough


@pytest.mark.parametrize("made", [model(grid=False), model(then="rounding"), model(then="nothing")])
def test_what_needs_nothing_or_is_on_no_grid_stays(made: Any) -> None:
    content = made.SerializeToString()
    assert rounded.apply(made) == 0
    assert made.SerializeToString() == content


def joined(second: str) -> Any:
    """Return two roundings of one image, the second on the grid ``second``, joined, before a convolution."""
    grids = {
        "s": np.float32(0.03),
        "z": np.uint8(90),
        "s2": np.float32(0.03),
        "z2": np.uint8(90),
        "s3": np.float32(0.1),
    }
    scale, zero = {"own": ("s", "z"), "equal": ("s2", "z2"), "other": ("s3", "z2")}[second]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["a"]),
        helper.make_node("QuantizeLinear", ["image", scale, zero], ["q2"]),
        helper.make_node("DequantizeLinear", ["q2", scale, zero], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["both"], axis=2),
        helper.make_node("Conv", ["both", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 6, 6))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, None, None, None))],
        [CONV, *(numpy_helper.from_array(value, name) for name, value in grids.items())],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(("second", "changed"), [("own", 1), ("equal", 1), ("other", 0)])
def test_what_is_joined_is_rounded_when_the_grids_are_one(second: str, changed: int) -> None:
    made = joined(second)
    before = run(made)
    assert rounded.apply(made) == changed
    onnx.checker.check_model(made, full_check=True)
    assert np.array_equal(before, run(made))
