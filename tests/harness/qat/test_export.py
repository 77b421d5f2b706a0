"""What the converter gets: kernels on the grid, biases that it quantizes channel by channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.graph import tflite
from harness.qat.export import snapped, uneven

KERNEL = np.random.default_rng(0).normal(size=(1, 1, 8, 16)).astype(np.float32) * np.geomspace(0.1, 3, 16, dtype="f")


@pytest.mark.parametrize(
    "bias", [np.zeros(4, "f"), np.array([0.5, 0.5, 0.25], "f"), np.array([0.5], "f"), np.zeros(0, "f")]
)
def test_a_bias_that_is_no_even_number_stays(bias: Any) -> None:
    assert uneven(bias) is bias


@pytest.mark.parametrize("value", [0.5, -3.0, 1e-7])
def test_an_even_bias_differs_by_one_last_bit(value: float) -> None:
    bias = np.full(5, value, np.float32)
    made = uneven(bias)
    assert made.dtype == np.float32
    assert (made[1:] == bias[1:]).all()
    assert made[0] == np.nextafter(bias[0], np.float32(np.inf))
    assert (bias == np.float32(value)).all()


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")  # the graph has its ranges
def test_the_converter_gives_every_channel_its_own_bias() -> None:
    """An even bias comes out with the first channel's number everywhere: 0.5 to 15 under these kernels."""
    import tensorflow as tf

    kernel = tf.constant(snapped(KERNEL, (0, 1, 2)))
    bias = tf.constant(uneven(np.full(16, 0.5, np.float32)))

    @tf.function(input_signature=[tf.TensorSpec((1, 4, 4, 8))])
    def net(image: Any) -> Any:
        ranged = tf.quantization.fake_quant_with_min_max_args(image, -1, 1)
        made = tf.nn.conv2d(ranged, kernel, 1, "VALID") + bias
        return tf.quantization.fake_quant_with_min_max_args(made, -20, 20)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    graph = tflite.parse(converter.convert())
    conv = next(node for node in graph.nodes if node.op == "CONV_2D")
    found = graph.tensors[conv.inputs[2]]
    assert found.data is not None
    assert np.allclose(found.data * np.array(found.scales), 0.5, atol=0.005)
