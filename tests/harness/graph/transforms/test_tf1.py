"""A whole frozen graph as TensorFlow 1 wrote them: variables, old batch norm, fake quantization, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.graph.transforms import lists
from tests.harness.graph.transforms.conftest import Lab, numbers, ops

SHAPE = (4, 8, 8, 3)


@pytest.fixture(scope="module")
def classic() -> Lab:
    """Two convolutions with normalizations (spelt; fused), ranges fixed at 0…6, dropout that keeps all, a softmax."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.set_random_seed(0)
        image = v1.placeholder(tf.float32, (None, *SHAPE[1:]), "image")
        checked = tf.debugging.check_numerics(image, "not finite")
        x = spelt(tf.nn.conv2d(checked, variable("first/weights", numbers(3, 3, 3, 16)), 1, "SAME"))
        x = tf.quantization.fake_quant_with_min_max_args(tf.nn.relu6(x), 0.0, 6.0, name="range_first")
        x = fused(tf.nn.conv2d(x, variable("second/weights", numbers(3, 3, 16, 32, low=-0.2, high=0.2)), 2, "SAME"))
        x = tf.quantization.fake_quant_with_min_max_args(tf.nn.relu6(x), 0.0, 6.0, name="range_second")
        x = dropout(tf.reduce_mean(x, [1, 2]))
        tf.nn.softmax(x @ variable("logits/weights", numbers(32, 40)), name="scores")
        tf.square(x, "unneeded")
        session.run(v1.global_variables_initializer())
        names = ["scores", "unneeded"]
        content = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), names)
    return Lab(content, np.random.default_rng(1).normal(size=SHAPE).astype(np.float32))


def variable(name: str, value: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.compat.v1.get_variable(name, initializer=value, use_resource=False)


def statistics(name: str, channels: int) -> list[Any]:
    """Gamma, beta, mean, variance."""
    lows = (0.5, -1.0, -1.0, 0.5)
    return [
        variable(f"{name}/{seed}", numbers(channels, low=low, high=1.5, seed=seed)) for seed, low in enumerate(lows)
    ]


def spelt(x: Any) -> Any:
    import tensorflow as tf

    gamma, beta, mean, variance = statistics("first/norm", x.shape[-1])
    return (x - mean) * (tf.math.rsqrt(variance + 1e-3) * gamma) + beta


def fused(x: Any) -> Any:
    import tensorflow as tf

    return tf.compat.v1.nn.fused_batch_norm(x, *statistics("second/norm", x.shape[-1]), is_training=False)[0]


def dropout(x: Any) -> Any:
    """As ``tf.nn.dropout`` wrote it until TensorFlow 1.12; with keep 1 the random numbers do not matter."""
    import tensorflow as tf

    keep = tf.constant(1.0, name="keep_prob")
    return tf.math.divide(x, keep) * tf.floor(keep + tf.random.uniform(tf.shape(x), name="dropout"))


@pytest.mark.parametrize("name", ["deployment", "mobile"])
def test_normalizations_fold_and_what_acts_stays(name: str, classic: Lab) -> None:
    done = classic.transform(lists.named(name, (-1, *SHAPE[1:])))
    left = ops(done.graph_def)
    assert not {"Sub", "Rsqrt", "FusedBatchNorm", "FusedBatchNormV3", "Square"} & set(left)
    assert (left["BiasAdd"], left["FakeQuantWithMinMaxArgs"], left["RandomUniform"]) == (2, 2, 1)
    assert left["CheckNumerics"] == (0 if name == "deployment" else 1)
    assert (done.refused, done.missed) == (None, ())
    # where a value stands between two of the 256 steps, another rounding takes the other one
    assert classic.spread() > 0.01
    assert classic.difference(done.graph_def) < 2e-3


def test_without_the_steps_of_fake_quantization_the_function_is_the_same(classic: Lab) -> None:
    plain = classic.transform("remove_nodes(op=FakeQuantWithMinMaxArgs)").graph_def
    lab = Lab(plain, classic.images)
    done = lab.transform(lists.named("deployment", (-1, *SHAPE[1:])))
    assert lab.difference(done.graph_def) < 1e-5


def test_quantized_weights(classic: Lab) -> None:
    done = classic.transform(lists.named("quantize_weights", (-1, *SHAPE[1:])))
    assert ops(done.graph_def)["Dequantize"] == 2  # 4608 and 1280 weights; the 432 of the first are fewer than 1024
    assert ops(done.graph_def)["FakeQuantWithMinMaxArgs"] == 2
    assert 0 < classic.difference(done.graph_def) < 0.1 * classic.spread()
