"""What is mended in tf2onnx's files."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from harness import to_onnx


def swishes(opset: int) -> Any:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (3, 50)) for name in ("x", "y")]
    nodes = [helper.make_node("HardSwish", ["x"], ["m"], name="one"), helper.make_node("HardSwish", ["m"], ["y"])]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def test_hard_swish_is_spelt_out_for_opsets_that_do_not_know_it() -> None:
    made = swishes(13)
    assert to_onnx.spell_hard_swish(made, 13) == 2
    onnx.checker.check_model(made, full_check=True)
    image = np.linspace(-5, 5, 150, dtype=np.float32).reshape(3, 50)
    old, new = (
        ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": image})[0]
        for model in (made, swishes(14))
    )
    assert np.allclose(old, new, atol=1e-6)


@pytest.mark.parametrize("opset", [14, 18])
def test_where_it_is_known_it_stays(opset: int) -> None:
    made = swishes(opset)
    assert to_onnx.spell_hard_swish(made, opset) == 0
    assert [node.op_type for node in made.graph.node] == ["HardSwish", "HardSwish"]


@pytest.mark.parametrize(
    ("before", "after", "idle"),
    [
        ([1, 8, 1, 1], [1, 8, 1, 1], True),
        ([-1, 8, 1, 1], [-1, 8, 1, 1], True),
        ([-1, -1, 8], [-1, -1, 8], False),  # 2×3×8 may have become 3×2×8
        ([1, 8, 1, 1], [1, 1, 1, 8], False),
        (None, None, False),
    ],
)
def test_a_reshape_is_idle_only_where_no_side_can_have_changed(before: Any, after: Any, idle: bool) -> None:
    from tf2onnx.graph import Graph

    graph = Graph([], output_shapes={}, dtypes={})
    graph.make_node("Placeholder", [], outputs=["x"], shapes=[before], dtypes=[TensorProto.UINT8])
    graph.make_node("DequantizeLinear", ["x"], outputs=["f"], shapes=[before], dtypes=[TensorProto.FLOAT])
    graph.make_node("Reshape", ["f"], outputs=["r"], shapes=[after], dtypes=[TensorProto.FLOAT])
    last = graph.make_node("Relu", ["r"], outputs=["y"], shapes=[after], dtypes=[TensorProto.FLOAT])
    assert to_onnx._drop_idle_reshapes(graph) == idle
    assert last.input == (["f"] if idle else ["r"])
