"""A fine-tuned model as the converter shall see it: ranges where they belong, weights already on the int8 grid.

The converter finds each channel's scale from its largest weight, and that is 127 steps of the grid the weights lie
on. So it comes to the very integers that training saw, for depthwise kernels as well, whose scales are by channel
here (tfmot's default is one scale for a depthwise kernel).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.qat.graph import Call, Graph, build, with_weights
from harness.qat.layers import LEVELS

AXES = {"QuantizedConv2D": (0, 1, 2), "QuantizedDepthwiseConv2D": (0, 1), "QuantizedDense": (0,)}
"""Axes of the kernel that share a scale."""


def exported(graph: Graph, model: Any) -> Any:
    """Return the ``tf_keras`` model to save: float layers with snapped kernels, between ranges."""
    return build(plain(with_weights(graph, model)))


def plain(graph: Graph) -> Graph:
    """Return the graph with ordinary layers whose kernels lie on the grid."""
    return replace(graph, calls=tuple(_plain(call) for call in graph.calls))


def _plain(call: Call) -> Call:
    if call.kind not in AXES:
        return call
    kernel, *biases = call.weights
    weights = (snapped(kernel, AXES[call.kind]), *map(uneven, biases))
    return replace(call, layer=call.layer.__mro__[1], weights=weights)


def uneven(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a bias whose values are not all one number, other than 0: the first is a last bit higher if they were.

    The converter keeps an even constant as one number, quantizes that with the first channel's scale, and gives it to
    all channels. In MobileNetV3 as it is initialized (a hard sigmoid's 0.5 behind zeros) that moved gates by 0.13.
    """
    if bias.size < 2 or not bias.flat[0] or (bias != bias.flat[0]).any():
        return bias
    moved = bias.copy()
    moved.flat[0] = np.nextafter(moved.flat[0], np.float32(np.inf), dtype=np.float32)
    return moved


def snapped(kernel: NDArray[np.float32], axes: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the nearest values on the grid whose scale is max |w| / 127 over ``axes``."""
    scale = np.maximum(np.abs(kernel).max(axis=axes, keepdims=True), np.float32(1e-12)) / np.float32(LEVELS)
    found: NDArray[np.float32] = (np.round(kernel / scale) * scale).astype(np.float32)
    return found
