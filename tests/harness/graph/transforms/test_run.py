"""The runner: ports, broken graphs, custom operators, shapes."""

from __future__ import annotations

import pytest

from harness import graph
from harness.errors import UserError
from harness.graph import graph_def

from tests.harness.graph.transforms.conftest import Lab, ops, tf1


def lab() -> Lab:
    import tensorflow as tf

    return tf1(lambda image: tf.nn.relu(image + 1.0), (1, 2))


def test_a_port_that_does_not_exist() -> None:
    content = lab().content
    with pytest.raises(UserError, match="output 'score' does not exist in the graph; did you mean 'scores'"):
        graph.transform(content, ["image"], ["score"], "fold_constants")
    with pytest.raises(UserError, match="input 'scan' does not exist in the graph; allowed: image"):
        graph.transform(content, ["scan"], ["scores"], "fold_constants")
    with pytest.raises(UserError, match="no output is named"):
        graph.transform(content, ["image"], [], "fold_constants")


def test_a_cycle_is_refused() -> None:
    content = lab().content
    next(node for node in content.node if node.op == "AddV2").input[0] = "Relu"
    with pytest.raises(UserError, match="the graph: a cycle: "):
        graph.transform(content, ["image"], ["scores"], "fold_constants")


def test_a_loop_of_tensorflow_1_is_no_cycle() -> None:
    import tensorflow as tf

    def build(image: object) -> object:
        return tf.compat.v1.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.0), [0, image])[1]

    tf.compat.v1.disable_control_flow_v2()
    try:
        loop = tf1(build, (1, 2))
    finally:
        tf.compat.v1.enable_control_flow_v2()
    done = loop.transform("strip_unused_nodes remove_nodes(op=Identity) fold_constants merge_duplicate_nodes"
                          " sort_by_execution_order obfuscate_names")  # fmt: skip
    assert ops(done.graph_def)["NextIteration"] == 2
    assert loop.difference(done.graph_def) == 0


def test_a_custom_operator_is_carried_through() -> None:
    made = lab()
    relu = next(node for node in made.content.node if node.op == "Relu")
    relu.op = "MyOwnOp"
    done = made.transform("strip_unused_nodes remove_nodes(op=Identity) fold_constants(ignore_errors=true)"
                          " fold_batch_norms fold_old_batch_norms merge_duplicate_nodes sort_by_execution_order"
                          " quantize_weights round_weights obfuscate_names")  # fmt: skip
    assert ops(done.graph_def)["MyOwnOp"] == 1
    assert done.refused is not None
    assert "MyOwnOp" in done.refused


def test_a_mistake_in_the_last_transform_is_told_before_the_first_is_run() -> None:
    with pytest.raises(UserError, match="character 18: there is no transform 'fold'"):
        graph.transform(None, [], [], "fold_batch_norms fold")


def test_no_transform_changes_nothing() -> None:
    made = lab()
    done = made.transform(" ")
    assert (done.steps, done.graph_def) == ((), made.content)


def test_shapes_in_the_file_follow_a_new_input_shape() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as built:
        tf.nn.relu(tf.compat.v1.placeholder(tf.float32, (1, 2), "image"), "scores")
    done = graph.transform(built.as_graph_def(add_shapes=True), ["image"], ["scores"],
                           'strip_unused_nodes(shape="7,2")')  # fmt: skip
    shape = done.graph_def.node[-1].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [7, 2]
    graph_def.check(done.graph_def)
