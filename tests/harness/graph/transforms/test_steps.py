"""Every other transform on graphs as TensorFlow 1 wrote them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.errors import UserError
from harness.graph.transforms.steps.quantize_weights import quantized
from harness.graph.transforms.steps.round_weights import round_to
from tests.harness.graph.transforms.conftest import Lab, numbers, ops, tf1

FLOATS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6),
                    elements=st.floats(-1e6, 1e6, width=32))  # fmt: skip


def names(content: Any) -> list[str]:
    return [node.name for node in content.node]


def plain() -> Lab:
    """relu(image @ weights) with a copy, a check, and something nobody needs."""
    import tensorflow as tf

    def build(image: Any) -> Any:
        x = tf.debugging.check_numerics(image, "finite", name="check")
        tf.square(x, "unneeded")
        return tf.nn.relu(tf.identity(x, "copy") @ tf.constant(numbers(3, 4)))

    return tf1(build, (2, 3))


def test_strip_unused_nodes() -> None:
    lab = plain()
    done = lab.transform('strip_unused_nodes(type=float, shape="-1,3")')
    assert "unneeded" not in names(done.graph_def)
    shape = done.graph_def.node[names(done.graph_def).index("image")].attr["shape"].shape
    assert [dim.size for dim in shape.dim] == [-1, 3]
    assert "'image' has the shape -1,3 now" in done.steps[0].notes
    assert lab.run(done.graph_def, numbers(5, 3))[0].shape == (5, 4)


def test_strip_unused_nodes_makes_placeholders_in_the_middle() -> None:
    lab = plain()
    lab.input = "copy"
    done = lab.transform('strip_unused_nodes(name=copy, type_for_name=float, shape_for_name="2,3")')
    assert ops(done.graph_def) == {"Placeholder": 1, "Const": 1, "MatMul": 1, "Relu": 1, "Identity": 1}
    assert "'copy' is a placeholder now" in done.steps[0].notes
    assert lab.difference(done.graph_def) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("type=floot", "'floot' is no dtype"),
        ('shape="1,two"', "'1,two' is no shape"),
        ("name=image", "nothing"),
        ("name=image, type_for_name=float, type_for_name=half", "1 times name and 2 times type_for_name"),
        ("shape=1:2", "'1:2' is no shape"),
        ("name=other, type_for_name=float", "'other' is no input; allowed: image"),
    ],
)
def test_arguments_that_do_not_fit_the_graph(arguments: str, said: str) -> None:
    if said == "nothing":
        assert plain().transform(f"strip_unused_nodes({arguments})").steps
        return
    with pytest.raises(UserError, match=said):
        plain().transform(f"strip_unused_nodes({arguments})")


def test_strip_unused_nodes_tells_of_another_dtype() -> None:
    import tensorflow as tf

    lab = tf1(lambda image: tf.cast(tf.cast(image, tf.float64), tf.float32), (1, 2))
    done = lab.transform("strip_unused_nodes(type=half)")
    assert "'image' has the dtype half now" in done.steps[0].notes
    assert "float" in str(done.refused)


def test_strip_unused_nodes_needs_a_dtype_for_an_operator_it_does_not_know() -> None:
    lab = plain()
    lab.input = "copy"
    next(node for node in lab.content.node if node.name == "copy").op = "MyOwnOp"
    with pytest.raises(UserError, match=r"nothing is known of output 0 of 'copy'.*allowed for 'copy': its dtype as ty"):
        lab.transform("strip_unused_nodes")
    assert ops(lab.transform("strip_unused_nodes(type=float)").graph_def)["MyOwnOp"] == 0


def test_remove_nodes() -> None:
    lab = plain()
    done = lab.transform("remove_nodes(op=Identity, op=CheckNumerics, op=Nothing)")
    assert (done.steps[0].changed, ops(done.graph_def)["CheckNumerics"]) == (2, 0)
    assert done.steps[0].notes == ("the graph has no Nothing", "'scores' is an input or output and stays")
    assert lab.difference(done.graph_def) == 0


def test_remove_nodes_keeps_what_is_waited_for() -> None:
    """Who reads a removed node waits for what that has waited for."""
    import tensorflow as tf

    def build(image: Any) -> Any:
        with tf.control_dependencies([tf.compat.v1.Print(image, [image], name="told")]):
            copy = tf.identity(image)
        return tf.nn.relu(tf.identity(copy))

    done = tf1(build).transform("remove_nodes(op=Identity)")
    relu = next(node for node in done.graph_def.node if node.op == "Relu")
    assert list(relu.input) == ["image", "^told"]


def test_remove_nodes_lets_who_waited_for_a_copy_wait_for_what_it_copied() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        with tf.control_dependencies([tf.identity(tf.compat.v1.Print(image, [image], name="told"))]):
            return tf.nn.relu(image)

    done = tf1(build).transform("remove_nodes(op=Identity)")
    relu = next(node for node in done.graph_def.node if node.op == "Relu")
    assert list(relu.input) == ["image", "^told"]


def test_remove_nodes_takes_the_first_of_several_inputs_only_when_asked() -> None:
    lab = plain()
    assert lab.transform("remove_nodes(op=MatMul)").steps[0].changed == 0
    assert ops(lab.transform("remove_nodes(op=MatMul, max_inputs=2)").graph_def)["MatMul"] == 0


def test_fold_constants_computes_what_is_constant_and_nothing_else() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        first, second = tf.split(tf.constant(numbers(2, 4)) * 3.0, 2)
        noise = tf.random.uniform((4,), seed=1) * 0.0
        return image * tf.sqrt(tf.abs(first)) + second + noise

    lab = tf1(build, (2, 4))
    done = lab.transform("fold_constants")
    left = ops(done.graph_def)
    assert not {"Split", "Sqrt", "Abs"} & set(left)
    assert left["RandomUniform"] == 1
    assert lab.difference(done.graph_def) < 1e-6


def test_fold_constants_leaves_what_would_fill_the_file() -> None:
    import tensorflow as tf

    done = tf1(lambda image: image + tf.reduce_sum(tf.fill((600, 1000), image[0, 0]) * tf.ones((600, 1000))), (1, 1))
    step = done.transform("fold_constants").steps[0]
    assert any("would take 2400000 bytes and is left" in note for note in step.notes)
    assert done.difference(done.transform("fold_constants").graph_def) == 0


def test_fold_constants_and_what_cannot_be_computed() -> None:
    """The rest is folded all the same; the error is told."""
    import tensorflow as tf

    lab = tf1(
        lambda image: image[:1] * tf.gather(tf.constant(numbers(4)), [1, 2], name="far") + tf.square([2.0]), (2, 2)
    )
    next(node for node in lab.content.node if node.name == "far/indices").attr["value"].tensor.CopyFrom(
        tf.make_tensor_proto(np.array([1, 7], np.int32)))  # fmt: skip
    with pytest.raises(UserError, match=r"character 1: fold_constants: cannot compute 'far:0'.*ignore_errors=true"):
        lab.transform("fold_constants")
    done = lab.transform("fold_constants(ignore_errors=true)")
    assert "cannot compute 'far:0': " in done.missed[0]
    assert (ops(done.graph_def)["GatherV2"], ops(done.graph_def)["Square"]) == (1, 0)


def test_fold_constants_does_not_even_try_what_would_fill_the_memory() -> None:
    import tensorflow as tf

    lab = tf1(lambda image: image + tf.reduce_sum(tf.zeros((30_000, 1_000_000))), (1, 1))
    done = lab.transform("fold_constants(ignore_errors=true)")
    assert "it needs a value of 120000000000 bytes" in done.missed[0]


def test_only_the_output_that_is_read_becomes_a_constant() -> None:
    import tensorflow as tf

    lab = tf1(lambda image: image + tf.split(tf.constant(numbers(6)), 3)[0] + tf.split(image, 1)[0], (2, 2))
    lab.outputs = ("scores", "split:2")
    done = lab.transform("fold_constants")
    assert lab.difference(done.graph_def) == 0


def test_constants_that_something_only_waits_for_are_gone() -> None:
    """A frozen graph of TensorFlow 2 waits for its old variables, which would keep their weights in the file."""
    import tensorflow as tf

    def build(image: Any) -> Any:
        weights = tf.identity(tf.constant(numbers(3, 4)), "read")
        with tf.control_dependencies([weights]):
            return tf.nn.relu(image @ weights)

    lab = tf1(build, (2, 3))
    done = lab.transform("fold_constants")
    assert not [read for node in done.graph_def.node for read in node.input if read.startswith("^")]
    assert ops(done.graph_def)["Const"] == 1


def test_dropout_at_keep_all_keeps_its_function() -> None:
    """The random numbers of TensorFlow 1's dropout are neither computed once nor merged."""
    import tensorflow as tf

    def dropout(x: Any) -> Any:
        keep = tf.constant(1.0)
        return tf.math.divide(x, keep) * tf.floor(keep + tf.random.uniform(tf.shape(x)))

    lab = tf1(lambda image: dropout(dropout(image)), (2, 8))
    done = lab.transform("fold_constants fold_batch_norms merge_duplicate_nodes")
    assert ops(done.graph_def)["RandomUniform"] == 2
    assert lab.difference(done.graph_def) == 0


def test_fake_quantization_from_0_to_6_stays() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        weights = tf.quantization.fake_quant_with_min_max_args(tf.constant(numbers(40, 30)), -1.0, 1.0)
        return tf.quantization.fake_quant_with_min_max_args(tf.nn.relu6(image @ weights), 0.0, 6.0)

    lab = tf1(build, (2, 40))
    done = lab.transform("fold_constants fold_batch_norms quantize_weights sort_by_execution_order")
    left = ops(done.graph_def)
    assert (left["FakeQuantWithMinMaxArgs"], left["Dequantize"]) == (1, 1)
    assert lab.difference(done.graph_def) <= 40 * 2 / 255 + 6 / 255


def test_merge_duplicate_nodes() -> None:
    import tensorflow as tf

    lab = tf1(lambda image: tf.square(image * 2.0) + tf.square(image * 2.0) + image * image, (2, 3))
    done = lab.transform("merge_duplicate_nodes")
    assert (done.steps[0].changed, ops(done.graph_def)["Square"]) == (3, 1)
    assert lab.difference(done.graph_def) == 0
    again = lab.transform("merge_duplicate_nodes merge_duplicate_nodes").steps[1]
    assert (again.changed, again.notes) == (0, ("no two nodes compute the same",))


def test_an_output_is_never_merged_away() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        tf.square(image, "first"), tf.square(image, "second")
        return tf.square(image)

    lab = tf1(build, (2, 3))
    lab.outputs = ("scores", "second", "first")
    done = lab.transform("merge_duplicate_nodes")
    assert {"scores", "second", "first"} <= set(names(done.graph_def))
    assert lab.difference(done.graph_def) == 0


def test_sort_by_execution_order() -> None:
    lab = plain()
    assert lab.transform("sort_by_execution_order").steps[0].notes == ("the nodes are in order",)
    shuffled = list(reversed([*lab.content.node]))
    copies = [type(node).FromString(node.SerializeToString()) for node in shuffled]
    del lab.content.node[:]
    lab.content.node.extend(copies)
    done = lab.transform("sort_by_execution_order")
    assert done.steps[0].changed > 0
    seen: set[str] = set()
    for node in done.graph_def.node:
        assert {read.removeprefix("^").partition(":")[0] for read in node.input} <= seen
        seen.add(node.name)


def test_rename_op_and_remove_attribute() -> None:
    lab = plain()
    done = lab.transform("rename_op(old_op_name=Relu, new_op_name=MyRelu)")
    assert (ops(done.graph_def)["MyRelu"], done.steps[0].changed) == (1, 1)
    assert done.refused is not None
    assert "MyRelu" in done.refused
    less = lab.transform("remove_attribute(attribute_name=message, op_name=CheckNumerics)")
    assert less.steps[0].changed == 1
    assert not [node for node in less.graph_def.node if "message" in node.attr]
    none = lab.transform(
        "rename_op(old_op_name=Relo, new_op_name=X) remove_attribute(attribute_name=message, op_name=Relu)"
    )
    assert [step.changed for step in none.steps] == [0, 0]
    assert "the graph has no Relo; did you mean 'Relu'?" in none.steps[0].missed[0]
    assert none.steps[1].missed == ("no Relu node has 'message'",)


def test_obfuscate_names() -> None:
    lab = plain()
    done = lab.transform("obfuscate_names")
    assert set(names(done.graph_def)) == {"image", "scores", "A", "B", "C", "D", "E", "F"}
    assert lab.difference(done.graph_def) == 0


@given(FLOATS, st.integers(2, 300))
def test_rounded_values_are_few_and_near(value: np.ndarray, steps: int) -> None:
    rounded = round_to(value, steps)
    assert len(np.unique(rounded)) <= steps
    width = (float(value.max()) - float(value.min())) / (steps - 1)
    assert np.abs(rounded.astype(np.float64) - value).max() <= width / 2 + 1e-6 * np.abs(value).max() + 1e-30


def test_round_weights_leaves_what_is_not_finite() -> None:
    import tensorflow as tf

    weights = np.append(numbers(29), np.float32(np.inf))
    step = tf1(lambda image: image * tf.constant(weights), (1, 30)).transform("round_weights").steps[0]
    assert (step.changed, len(step.missed)) == (0, 1)
    assert "values that are not finite and stays" in step.missed[0]


def test_round_weights() -> None:
    import tensorflow as tf

    lab = tf1(lambda image: tf.nn.relu(image @ tf.constant(numbers(40, 30))), (2, 40))
    done = lab.transform("round_weights(num_steps=9)")
    assert done.steps[0].changed == 1
    assert 0 < lab.difference(done.graph_def) <= 40 * numbers(2, 40, seed=1).max() / 4
    assert abs(done.graph_def.ByteSize() - lab.content.ByteSize()) < 20
    assert plain().transform("round_weights").steps[0].missed == ("no float32 constant has 16 or more elements",)


@given(FLOATS)
def test_quantized_values_come_back_within_a_step(value: np.ndarray) -> None:
    """In NumPy as TensorFlow's Dequantize in the mode MIN_FIRST does it."""
    stored, low, high = quantized(value)
    assert low <= min(0, value.min())
    assert high >= max(0, value.max())
    step = (np.float64(high) - np.float64(low)) / 255
    back = np.rint(low / step) * step + stored * step
    assert np.abs(back - value).max() <= step + 1e-6 * np.abs(value).max()


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0.5, 2), (-3, -1), (1e-40, 2e-40), (0, 0), (-1e30, 1e30)])
def test_quantize_weights_runs_in_tensorflow(low: float, high: float) -> None:
    import tensorflow as tf

    weights = numbers(64, 32, low=low, high=high) if high > low else np.zeros((64, 32), np.float32)
    lab = tf1(lambda image: image + tf.constant(weights), (64, 32))
    lab.images = np.zeros((64, 32), np.float32)
    done = lab.transform("quantize_weights")
    assert ops(done.graph_def)["Dequantize"] == 1
    step = max((float(max(high, 0)) - min(low, 0)) / 255, 1e-30)
    assert lab.difference(done.graph_def) <= step
    assert done.graph_def.ByteSize() < lab.content.ByteSize() / 4 + 800


def test_quantize_weights_leaves_small_ones_infinite_ones_and_those_of_norms() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        one = tf.ones((2000,))
        gamma = tf.constant(numbers(2000, low=0.1))
        x = tf.compat.v1.nn.fused_batch_norm(tf.nn.relu(image), gamma, gamma, gamma, gamma, is_training=False)[0]
        return x * tf.constant(np.full(2000, np.inf, np.float32)) + tf.constant(numbers(1)) + one

    lab = tf1(build, (1, 1, 1, 2000))
    step = lab.transform("quantize_weights").steps[0]
    assert any("values that are not finite and stays" in note for note in step.missed)
    assert any("batch normalizations stay float; fold them first" in note for note in step.missed)
    none = lab.transform("quantize_weights(minimum_size=2001)").steps[0]
    assert (none.changed, none.missed) == (0, ("no float32 constant has 2001 or more elements",))
