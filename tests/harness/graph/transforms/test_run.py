"""The runner: ports, broken graphs, custom operators, shapes."""

from __future__ import annotations

import numpy as np
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
    assert any("to run in their branch and stays" in note for note in done.steps[1].notes)
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
        graph.transform(None, [], [], ["fold_batch_norms", "fold"])


def test_no_transform_changes_nothing() -> None:
    made = lab()
    done = made.transform(" ")
    assert (done.steps, list(done.graph_def.node)) == ((), list(made.content.node))


def test_shapes_in_the_file_follow_a_new_input_shape() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as built:
        tf.nn.relu(tf.compat.v1.placeholder(tf.float32, (1, 2), "image"), "scores")
    made = graph.transform(built.as_graph_def(add_shapes=True), ["image"], ["scores"],
                           ['strip_unused_nodes(shape="7,2")', "fold_constants"])  # fmt: skip
    shape = made.node[-1].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [7, 2]
    graph_def.check(made)


def test_the_function_warns_of_what_should_have_changed() -> None:
    import tensorflow as tf

    def build(image: object) -> object:
        ones = tf.ones((3,))
        return tf.compat.v1.nn.fused_batch_norm(image, ones, ones, ones, ones, is_training=False)[0]

    content = tf1(build).content
    with pytest.warns(UserWarning, match="1 batch normalization left, such as 'FusedBatchNormV3': it follows Placeh"):
        made = graph.transform(content, ["image"], ["scores"], "fold_constants fold_batch_norms")
    assert ops(made)["FusedBatchNormV3"] == 1


def test_the_function_warns_of_a_graph_that_tensorflow_does_not_load() -> None:
    with pytest.warns(UserWarning, match="TensorFlow does not load the result: .*MyRelu"):
        graph.transform(lab().content, ["image"], ["scores"], "rename_op(old_op_name=Relu, new_op_name=MyRelu)")


def test_a_node_that_reads_too_little_is_told() -> None:
    content = lab().content
    del next(node for node in content.node if node.op == "AddV2").input[1:]
    with pytest.raises(UserError, match=r"the graph: 'add' \(AddV2\) reads 1 tensors; it needs 2"):
        graph.transform(content, ["image"], ["scores"], "fold_constants")


@pytest.mark.parametrize("transforms", ["fold_batch_norms", "quantize_weights(minimum_size=1)"])
def test_a_constant_that_does_not_hold_what_it_says(transforms: str) -> None:
    import tensorflow as tf

    content = tf1(lambda image: tf.matmul(image, tf.ones((2, 2))) * tf.ones((2,)), (1, 2)).content
    for node in content.node:
        if node.op == "Const":
            node.attr["value"].tensor.tensor_content = b"abc"
            node.attr["value"].tensor.ClearField("float_val")
    with pytest.raises(UserError, match=r"the constant 'ones.*' does not hold what its shape and dtype say"):
        graph.transform(content, ["image"], ["scores"], transforms)


def test_branches_of_tensorflow_1_keep_what_runs_in_one_of_them_only() -> None:
    """What waits for the true side of a branch must not run on the other: its Identity stays."""
    import tensorflow as tf

    def build(image: object) -> object:
        def yes() -> object:
            return tf.identity(image) + 1.0

        return tf.compat.v1.cond(tf.reduce_sum(image) > 0, yes, lambda: tf.constant([[5.0, 7.0]]))

    tf.compat.v1.disable_control_flow_v2()
    try:
        branch = tf1(build, (1, 2))
    finally:
        tf.compat.v1.enable_control_flow_v2()
    done = branch.transform("remove_nodes(op=Identity) fold_constants merge_duplicate_nodes")
    assert any(node.op == "Identity" and node.name != "scores" for node in done.graph_def.node)
    for sign in (1, -1):
        image = sign * np.ones((1, 2), np.float32)
        np.testing.assert_array_equal(branch.run(done.graph_def, image)[0], branch.run(branch.content, image)[0])
