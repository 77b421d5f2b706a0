"""The layers that transforms and ranges put into a model. Keras is imported when the first one is asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.qat.graph import Call

LEVELS = 127
"""Weights lie on the integers from -127 to 127: symmetric and narrow, as TFLite wants them."""
UNIT = (0.0, 255 / 256)
"""The range that TFLite prescribes for the result of sigmoid and softmax: a scale of 1/256."""
_state = SimpleNamespace(seen=None)


@contextmanager
def observing() -> Iterator[dict[str, list[Any]]]:
    """While this lasts, ranges round nothing and note what passes: name → (images, 2), least and greatest value.

    A range that several values share notes one entry for each. Holds while a model is traced.
    """
    _state.seen = {}
    try:
        yield _state.seen
    finally:
        _state.seen = None


def channel_affine(call: Call, scale: ArrayLike, offset: ArrayLike) -> Call:
    """Return a ``ChannelAffine`` in the place of ``call``: x · ``scale`` + ``offset``, scalars or one per channel."""
    channels = call.shape[-1]
    numbers = [np.asarray(one, np.float64) for one in (scale, offset)]
    lists = [one.reshape(-1) if one.size in (1, channels) else one for one in numbers]
    config = {"name": call.name, "scale": lists[0].tolist(), "offset": lists[1].tolist()}
    return Call(call.name, classes().ChannelAffine, config, call.inputs, call.shape)


def affine_of(call: Call) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return scale and offset of a ``ChannelAffine`` as float64 arrays (1,) or (C,); None for any other layer."""
    if call.kind != "ChannelAffine":
        return None
    return np.asarray(call.config["scale"]), np.asarray(call.config["offset"])


def hard_sigmoid(call: Call, start: str) -> Call:
    """Return ``relu6(x + 3) / 6`` of the value ``start`` in the place of ``call``."""
    return Call(call.name, classes().HardSigmoid, {"name": call.name}, (start,), call.shape)


def hard_swish(call: Call, start: str) -> Call:
    """Return ``x · relu6(x + 3) / 6`` of the value ``start`` in the place of ``call``."""
    return Call(call.name, classes().HardSwish, {"name": call.name}, (start,), call.shape)


def quantized(layer: type[Any]) -> type[Any] | None:
    """Return the layer that computes with weights on their int8 grid, None when ``layer`` has no such weights."""
    found: type[Any] | None = getattr(classes(), f"Quantized{layer.__name__}", None)
    return found


def snap(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Return the nearest values on the int8 grid, a scale for each channel: max |w| / 127 over ``axes``.

    The gradient passes as if nothing had happened (straight-through: Bengio et al., arXiv:1308.3432).
    """
    import tensorflow as tf

    scale = tf.maximum(tf.reduce_max(tf.abs(kernel), axes, keepdims=True), 1e-12) / LEVELS
    return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)


@functools.cache
def classes() -> SimpleNamespace:
    """Return all layer classes."""
    return SimpleNamespace(**_affine(), **_hard(), **_range(), **_weighted())


def _affine() -> dict[str, Any]:
    import tensorflow as tf

    class ChannelAffine(tf.keras.layers.Layer):  # type: ignore[misc]
        """x · scale + offset; constants, not trained."""

        def __init__(self, scale: Any, offset: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.scale, self.offset = scale, offset

        def call(self, inputs: Any) -> Any:
            scale, offset = (np.asarray(one, np.float32) for one in (self.scale, self.offset))
            return inputs * scale + offset

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "scale": self.scale, "offset": self.offset}

    return {"ChannelAffine": ChannelAffine}


def _hard() -> dict[str, Any]:
    import tensorflow as tf

    class HardSigmoid(tf.keras.layers.Layer):  # type: ignore[misc]
        """relu6(x + 3) / 6."""

        def call(self, inputs: Any) -> Any:
            return tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)

    class HardSwish(tf.keras.layers.Layer):  # type: ignore[misc]
        """x · relu6(x + 3) / 6, in the form that the TFLite converter knows as HARD_SWISH."""

        def call(self, inputs: Any) -> Any:
            return inputs * (tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0))

    return {"HardSigmoid": HardSigmoid, "HardSwish": HardSwish}


def _range() -> dict[str, Any]:
    import tensorflow as tf

    class Range(tf.keras.layers.Layer):  # type: ignore[misc]
        """Rounds to 256 levels between two ends, ``low`` ≤ 0 ≤ ``high``; both fixed, or found by looking."""

        def __init__(self, fixed: tuple[float, float] | None = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.fixed = fixed

        def build(self, shape: Any) -> None:
            low, high = self.fixed or (0.0, 0.0)
            start = tf.keras.initializers.Constant
            self.low = self.add_weight("low", (), initializer=start(low), trainable=False)
            self.high = self.add_weight("high", (), initializer=start(high), trainable=False)
            super().build(shape)

        def call(self, inputs: Any) -> Any:
            if _state.seen is None:
                return tf.quantization.fake_quant_with_min_max_vars(inputs, self.low, self.high, num_bits=8)
            if self.fixed is None:
                flat = tf.reshape(inputs, (tf.shape(inputs)[0], -1))
                ends = tf.stack([tf.reduce_min(flat, 1), tf.reduce_max(flat, 1)], 1)
                _state.seen.setdefault(self.name, []).append(ends)
            return tf.clip_by_value(inputs, *self.fixed) if self.fixed else inputs

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "fixed": self.fixed}

    return {"Range": Range}


def _weighted() -> dict[str, Any]:
    import tensorflow as tf

    layers: Any = tf.keras.layers

    class QuantizedConv2D(layers.Conv2D):  # type: ignore[misc]
        """A convolution with its kernel (H, W, in, out) on the grid."""

        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            return super().convolution_op(inputs, snap(kernel, (0, 1, 2)))

    class QuantizedDepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]
        """A depthwise convolution with its kernel (H, W, channel, multiplier) on the grid."""

        def call(self, inputs: Any) -> Any:
            kernel, stride, rate = snap(self.depthwise_kernel, (0, 1)), list(self.strides), list(self.dilation_rate)
            steps, padding = [1, *stride, 1], self.padding.upper()
            found = tf.nn.depthwise_conv2d(inputs, kernel, steps, padding, dilations=rate)
            found = tf.nn.bias_add(found, self.bias) if self.use_bias else found
            return self.activation(found)

    class QuantizedDense(layers.Dense):  # type: ignore[misc]
        """A dense layer with its kernel (in, out) on the grid."""

        def call(self, inputs: Any) -> Any:
            found = tf.linalg.matmul(inputs, snap(self.kernel, (0,)))
            found = tf.nn.bias_add(found, self.bias) if self.use_bias else found
            return self.activation(found)

    return {
        "QuantizedConv2D": QuantizedConv2D,
        "QuantizedDepthwiseConv2D": QuantizedDepthwiseConv2D,
        "QuantizedDense": QuantizedDense,
    }
