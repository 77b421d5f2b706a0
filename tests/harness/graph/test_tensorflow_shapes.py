"""Graphs of TensorFlow 1: without shapes, with variables, loops and operators that nobody knows, binary or as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.graph import macs
from harness.graph.model import Graph
from harness.graph.read import read


def old_style(variables: bool = False) -> Any:
    """conv 3×3 (8) + bias + relu on 1×8×8×3, without ``_output_shapes``: 8·8·8·27 = 13 824 multiply-adds."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.variable_scope("net"):
        x = v1.placeholder(tf.float32, (1, 8, 8, 3), "x")
        kernel = v1.get_variable("kernel", (3, 3, 3, 8), use_resource=False) if variables else tf.ones((3, 3, 3, 8))
        y = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), tf.ones(8))
        tf.nn.relu(y, "scores")
    return graph.as_graph_def()


def saved(content: Any, path: Path) -> Graph:
    path.write_bytes(content.SerializeToString())
    return read(path)


def multiply_adds(graph: Graph) -> list[int | None]:
    return [count for node in graph.nodes if (count := macs.count(graph, node)) != 0]


def test_shapes_are_inferred(tmp_path: Path) -> None:
    graph = saved(old_style(), tmp_path / "g.pb")
    assert multiply_adds(graph) == [13_824]
    assert graph.tensors[graph.outputs["net/scores"]].shape == (1, 8, 8, 8)
    assert not graph.signatures


def test_as_text(tmp_path: Path) -> None:
    from google.protobuf import text_format

    (tmp_path / "g.pbtxt").write_text("# by hand\n" + text_format.MessageToString(old_style()))
    assert multiply_adds(read(tmp_path / "g.pbtxt")) == [13_824]


def test_variables_are_constants_without_values(tmp_path: Path) -> None:
    graph = saved(old_style(variables=True), tmp_path / "g.pb")
    kernel = next(one for one in graph.tensors if one.name == "net/kernel")
    assert (kernel.constant, kernel.shape, kernel.data) == (True, (3, 3, 3, 8), None)


def test_an_unknown_operator_leaves_the_rest_known(tmp_path: Path) -> None:
    content = old_style()
    own = content.node.add(name="own", op="MyOwnOp", input=["net/scores"])
    content.node.add(name="after", op="Relu", input=["own"]).attr["T"].type = 1
    own.attr["T"].type = 1
    graph = saved(content, tmp_path / "g.pb")
    assert multiply_adds(graph) == [13_824]
    assert [node.op for node in graph.nodes if node.custom] == ["MyOwnOp"]
    assert graph.tensors[graph.outputs["after"]].shape is None


def test_a_graph_that_tensorflow_refuses_has_unknown_shapes(tmp_path: Path) -> None:
    content = old_style()
    next(node for node in content.node if node.op == "Conv2D").attr["strides"].list.i[:] = [1]
    assert multiply_adds(saved(content, tmp_path / "g.pb")) == [None]


def test_a_loop_has_an_end(tmp_path: Path) -> None:
    import tensorflow as tf

    before = tf.compat.v1.control_flow_v2_enabled()
    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            x = tf.compat.v1.placeholder(tf.float32, (2,), "x")
            tf.identity(tf.compat.v1.while_loop(lambda v: tf.reduce_sum(v) < 9, lambda v: v * 2, [x]), "y")
    finally:
        if before:
            tf.compat.v1.enable_control_flow_v2()
    found = saved(graph.as_graph_def(), tmp_path / "g.pb")
    assert {"Merge", "Switch", "NextIteration"} <= {node.op for node in found.nodes}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_attributes_say_the_same_for_both_layouts(tmp_path: Path, layout: str) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        shape = (1, 9, 9, 3) if layout == "NHWC" else (1, 3, 9, 9)
        x = tf.compat.v1.placeholder(tf.float32, shape, "x")
        pads = [[0, 0], [1, 2], [0, 1], [0, 0]]
        pads = pads if layout == "NHWC" else [pads[0], pads[3], *pads[1:3]]
        strides = [1, 2, 3, 1] if layout == "NHWC" else [1, 1, 2, 3]
        tf.raw_ops.Conv2D(input=x, filter=tf.ones((3, 3, 3, 8)), strides=strides, padding="EXPLICIT",
                          explicit_paddings=[n for one in pads for n in one], data_format=layout)  # fmt: skip
    found = saved(graph.as_graph_def(), tmp_path / "g.pb")
    conv = next(node for node in found.nodes if node.op == "Conv2D")
    assert (conv.attributes["strides"], conv.attributes["padding"]) == ("2x3", "1,2,0,1")
