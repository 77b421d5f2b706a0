"""Batch normalizations of every form fold into what stands before them, and what cannot fold is told by its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.graph.transforms.conftest import Lab, numbers, ops, tf1

NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BatchNormWithGlobalNormalization", "Mul", "Rsqrt",
         "RealDiv", "Sub"}  # fmt: skip
BASES = ("conv", "depthwise", "matmul", "transposed", "conv+bias")
FORMS = ("fused", "nn", "spelt", "divided")


def base(kind: str, image: Any) -> Any:
    """A product with 4 channels (6 for the depthwise one)."""
    import tensorflow as tf

    if kind == "matmul":
        return tf.reduce_mean(image, [1, 2]) @ tf.constant(numbers(3, 4))
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


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_behind_every_product(kind: str, form: str) -> None:
    if (kind, form) == ("matmul", "fused"):
        pytest.skip("the operator takes pictures only")
    lab = tf1(lambda image: normalized(form, base(kind, image)))
    done = lab.transform("fold_batch_norms fold_old_batch_norms")
    left = ops(done.graph_def)
    assert not NORMS & set(left)
    assert left["BiasAdd"] == 1
    assert done.refused is None
    assert lab.difference(done.graph_def) < 1e-5 < lab.spread() + 1
    assert left["Const"] <= lab_constants(kind)


def lab_constants(kind: str) -> int:
    """Weights, bias, and the shapes that transposed convolution and mean read."""
    return 2 + (kind in ("matmul", "transposed"))


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
    assert (step.changed, step.nodes_before, len(step.notes)) == (0, step.nodes_after, 1)
    assert step.notes[0].startswith(f"1 batch normalization left, such as '{norm.name}': ")
    assert said in step.notes[0]
    assert sorted(node.name for node in done.graph_def.node) == sorted(node.name for node in lab.content.node)


@settings(max_examples=25)
@given(
    kind=st.sampled_from(BASES),
    steps=st.lists(st.tuples(st.sampled_from(["mul", "add", "sub", "rsub", "div"]), st.booleans(), st.integers(0, 9)),
                   min_size=1, max_size=5),
)  # fmt: skip
def test_any_chain_of_arithmetic_keeps_its_function(kind: str, steps: list[tuple[str, bool, int]]) -> None:
    import tensorflow as tf

    def build(image: Any) -> Any:
        x = base(kind, image)
        for what, each, seed in steps:
            c = tf.constant(numbers(*([x.shape[-1]] if each else []), low=0.5, high=1.5, seed=seed))
            x = {"mul": x * c, "add": c + x, "sub": x - c, "rsub": c - x, "div": x / c}[what]
        return x

    lab = tf1(build)
    done = lab.transform("fold_batch_norms")
    left = ops(done.graph_def)
    assert left["Mul"] + left["RealDiv"] == 0
    assert lab.difference(done.graph_def) < 1e-4
