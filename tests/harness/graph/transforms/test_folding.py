"""Batch normalizations of every form fold into what stands before them, and what cannot fold is told by its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.graph.transforms.conftest import Lab, numbers, ops, tf1, unknown_attributes

NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BatchNormWithGlobalNormalization", "Mul", "Rsqrt",
         "RealDiv", "Sub"}  # fmt: skip
BASES = ("conv", "depthwise", "matmul", "matmul turned", "transposed", "conv3d", "conv+bias")
PICTURES = ("conv", "depthwise", "transposed", "conv+bias")
FORMS = ("fused", "nn", "spelt", "divided")


def base(kind: str, image: Any) -> Any:
    """A product with 4 channels (6 for the depthwise one)."""
    import tensorflow as tf

    if kind == "matmul":
        return tf.reduce_mean(image, [1, 2]) @ tf.constant(numbers(3, 4))
    if kind == "matmul turned":
        return tf.matmul(tf.reduce_mean(image, [1, 2]), tf.constant(numbers(4, 3)), transpose_b=True)
    if kind == "conv3d":
        return tf.nn.conv3d(image[:, None], tf.constant(numbers(1, 3, 3, 3, 4)), [1] * 5, "SAME")
    if kind == "depthwise":
        return tf.nn.depthwise_conv2d(image, tf.constant(numbers(3, 3, 3, 2)), [1, 1, 1, 1], "SAME")
    if kind == "transposed":
        return tf.nn.conv2d_transpose(image, tf.constant(numbers(3, 3, 4, 3)), (2, 12, 12, 4), 2)
    made = tf.nn.conv2d(image, tf.constant(numbers(3, 3, 3, 4)), 1, "SAME")
    return tf.nn.bias_add(made, tf.constant(numbers(4, seed=9))) if kind == "conv+bias" else made


def normalized(form: str, x: Any) -> Any:
    """``x`` normalized, in one of the forms that TensorFlow 1 knew; the constants are not folded."""
    import tensorflow as tf

    channels = x.shape[-1]
    gamma, beta, mean = (tf.constant(numbers(channels, seed=seed)) for seed in (1, 2, 3))
    variance = tf.constant(numbers(channels, low=0.1, high=2.0, seed=4))
    if form == "fused":
        return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, mean, variance, is_training=False)[0]
    if form == "nn":
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3)
    if form == "divided":
        return (x - mean) / tf.sqrt(variance + 1e-3) * gamma + beta
    return (x - mean) * tf.math.rsqrt(variance + 1e-3) * gamma + beta


@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in BASES for form in FORMS if form != "fused" or kind in PICTURES]
)
def test_every_form_behind_every_product(kind: str, form: str) -> None:
    lab = tf1(lambda image: normalized(form, base(kind, image)))
    others = ops(tf1(lambda image: base(kind, image)).transform("strip_unused_nodes").graph_def)["Const"] - 1
    done = lab.transform("strip_unused_nodes fold_batch_norms fold_old_batch_norms")
    left = ops(done.graph_def)
    assert not NORMS & set(left)
    assert left["BiasAdd"] == 1
    assert (done.refused, done.missed, unknown_attributes(done.graph_def)) == (None, (), [])
    assert lab.difference(done.graph_def) < 1e-5 < lab.spread()
    assert left["Const"] == 2 + others + (kind == "conv+bias") * -1


def test_the_oldest_operator() -> None:
    """TensorFlow knows it only in files of that time."""
    lab = old_operator()
    assert ops(lab.content)["BatchNormWithGlobalNormalization"] == 1
    untouched = lab.transform("fold_batch_norms").steps[0]
    assert untouched.changed == 0
    done = lab.transform("fold_old_batch_norms")
    assert not NORMS & set(ops(done.graph_def))
    scale = numbers(4, seed=1) / np.sqrt(numbers(4, low=0.1, high=2.0, seed=4).astype(np.float64) + 1e-3)
    shift = numbers(4, seed=2) - numbers(4, seed=3) * scale
    plain = tf1(lambda image: base("conv", image))
    expected = plain.run(plain.content)[0] * scale + shift
    np.testing.assert_allclose(lab.run(done.graph_def)[0], expected, atol=1e-5)


def old_operator() -> Lab:
    import tensorflow as tf

    lab = tf1(lambda image: tf.identity(base("conv", image), "norm"), producer=8)
    node = next(node for node in lab.content.node if node.name == "norm")
    constants = [numbers(4, seed=3), numbers(4, low=0.1, high=2.0, seed=4), numbers(4, seed=2), numbers(4, seed=1)]
    for name, value in zip(("mean", "variance", "beta", "gamma"), constants, strict=True):
        made = lab.content.node.add(name=name, op="Const")
        made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        made.attr["dtype"].type = made.attr["value"].tensor.dtype
        node.input.append(name)
    node.op = "BatchNormWithGlobalNormalization"
    node.attr["variance_epsilon"].f = 1e-3
    node.attr["scale_after_normalization"].b = True
    return lab


def test_copies_in_between_do_not_hinder() -> None:
    """Copies behind the last normalization stay: nobody asked for their removal."""
    import tensorflow as tf

    lab = tf1(lambda image: tf.identity(normalized("fused", tf.identity(base("conv", image)))))
    done = lab.transform("fold_batch_norms")
    assert ops(done.graph_def) == {"Placeholder": 1, "Const": 2, "Conv2D": 1, "BiasAdd": 1, "Identity": 2}
    assert lab.difference(done.graph_def) < 1e-5


def test_a_fused_normalization_of_the_first_versions_folds_with_the_old_ones() -> None:
    """As in the Graph Transform Tool, ``fold_old_batch_norms`` takes fused ones too."""
    lab = tf1(lambda image: normalized("fused", base("conv", image)))
    norm = next(node for node in lab.content.node if node.op == "FusedBatchNormV3")
    norm.op = "FusedBatchNorm"
    del norm.attr["U"]
    done = lab.transform("fold_old_batch_norms")
    assert (done.steps[0].changed, done.missed) == (1, ())
    assert lab.difference(done.graph_def) < 1e-5


@pytest.mark.parametrize(("form", "folded"), [("nn", 0), ("spelt", 1), ("divided", 1)])
def test_a_spelt_normalization_that_cannot_fold_is_told_too(form: str, folded: int) -> None:
    """After a Relu there is no convolution to take it; what folds of a chain before it is not the point."""
    import tensorflow as tf

    lab = tf1(lambda image: normalized(form, tf.nn.relu(base("conv", image))))
    done = lab.transform("fold_constants fold_old_batch_norms")
    assert len(done.missed) == 1
    assert done.missed[0].startswith("1 normalization spelt as product and sum left, such as '")
    assert done.missed[0].endswith("it follows Relu, no convolution and no matrix product")
    assert lab.difference(done.graph_def) < 1e-5


def test_normalizations_in_functions_are_told() -> None:
    lab = tf1(lambda image: normalized("fused", base("conv", image)))
    inner = lab.content.library.function.add()
    inner.signature.name = "body"
    inner.node_def.add(name="norm", op="FusedBatchNormV3")
    step = lab.transform("fold_batch_norms").steps[0]
    assert step.changed == 1
    assert step.missed == ("1 batch normalizations left in the function 'body', which no transform looks into: "
                           "inline it first",)  # fmt: skip


def test_weights_that_would_overflow_stay() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        half = tf.cast(image, tf.float16)
        made = tf.nn.conv2d(half, tf.constant(np.full((1, 1, 3, 2), 300, np.float16)), 1, "SAME")
        return tf.cast(made * tf.constant(np.array([300, 300], np.float16)) + tf.ones((2,), tf.float16), tf.float32)

    lab = tf1(build)
    done = lab.transform("fold_batch_norms")
    assert done.steps[0].changed == 0
    assert done.missed[0].endswith("folded weights would not be finite")


def test_integer_products_stay() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        whole = tf.matmul(tf.cast(image, tf.int32), tf.constant([[1, 2], [3, 4], [5, 6]]))
        return tf.cast(whole * tf.constant([2, 3]) + tf.constant([1, 1]), tf.float32)

    lab = tf1(build, (2, 3))
    done = lab.transform("fold_batch_norms")
    assert done.steps[0].changed == 0
    assert done.missed[0].endswith("the weights of MatMul are int32, not floating")
    assert lab.difference(done.graph_def) == 0


def test_who_waited_for_a_folded_node_waits_for_what_that_waited_for() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        with tf.control_dependencies([tf.compat.v1.Print(image, [image], name="told")]):
            return base("conv", image) * tf.constant(numbers(4))

    lab = tf1(build)
    done = lab.transform("fold_batch_norms")
    assert ops(done.graph_def)["Mul"] == 0
    assert any("^told" in node.input for node in done.graph_def.node)
    assert lab.difference(done.graph_def) < 1e-5


def test_two_convolutions_with_the_same_weights_get_weights_of_their_own() -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        weights = tf.constant(numbers(3, 3, 3, 4))
        first = tf.nn.conv2d(image, weights, 1, "SAME")
        second = tf.nn.conv2d(image * 2.0, weights, 1, "SAME")
        return normalized("fused", first) + second

    lab = tf1(build)
    done = lab.transform("fold_batch_norms")
    assert ops(done.graph_def)["FusedBatchNormV3"] == 0
    assert lab.difference(done.graph_def) < 1e-5


@pytest.mark.parametrize("why", ["twice", "output", "training", "relu", "variable", "channels first", "statistics"])
def test_what_cannot_fold_stays_and_is_told(why: str) -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        made = base("conv", image)
        if why == "relu":
            return normalized("fused", tf.nn.relu(made))
        if why == "variable":
            made = tf.nn.conv2d(image, tf.abs(image[:1, :3, :3, :, None][0]), 1, "SAME")
        x = normalized("fused", made)
        return x + made if why == "twice" else x

    lab = tf1(build)
    norm = next(node for node in lab.content.node if node.op == "FusedBatchNormV3")
    if why == "output":
        lab.outputs = ("scores", "Conv2D")
    if why == "training":
        norm.attr["is_training"].b = True
    if why == "channels first":
        norm.attr["data_format"].s = b"NCHW"
    if why == "statistics":
        lab.outputs = ("scores", f"{norm.name}:1")
    said = {"twice": "'Conv2D' is read 2 times", "output": "'Conv2D' is an output", "training": "training mode",
            "relu": "it follows Relu", "variable": "weights of Conv2D are no constant",
            "channels first": "channels come first", "statistics": "read for its statistics"}[why]  # fmt: skip
    done = lab.transform("fold_batch_norms")
    step = done.steps[0]
    assert (step.changed, step.nodes_before, len(step.missed)) == (0, step.nodes_after, 1)
    assert step.missed[0].startswith(f"1 batch normalization left, such as '{norm.name}': ")
    assert said in step.missed[0]
    assert done.missed == step.missed
    assert sorted(node.name for node in done.graph_def.node) == sorted(node.name for node in lab.content.node)


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda x, c: x * c,
    "add": lambda x, c: c + x,
    "sub": lambda x, c: x - c,
    "rsub": lambda x, c: c - x,
    "div": lambda x, c: x / c,
}


@settings(max_examples=25)
@given(
    kind=st.sampled_from(BASES),
    steps=st.lists(st.tuples(st.sampled_from(sorted(ARITHMETIC)), st.booleans(), st.integers(0, 9)),
                   min_size=1, max_size=5),
)  # fmt: skip
def test_any_chain_of_arithmetic_keeps_its_function(kind: str, steps: list[tuple[str, bool, int]]) -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        x = base(kind, image)
        for what, each, seed in steps:
            c = tf.constant(numbers(*([x.shape[-1]] if each else []), low=0.5, high=1.5, seed=seed))
            x = ARITHMETIC[what](x, c)
        return x

    lab = tf1(build)
    done = lab.transform("fold_batch_norms")
    left = ops(done.graph_def)
    assert left["Mul"] + left["RealDiv"] == 0
    assert lab.difference(done.graph_def) < 1e-4
