"""An affine layer on a feature map becomes a depthwise 1×1 convolution.

In int8 a product and a sum with constants have one scale for all channels and round in between. A depthwise
convolution has a scale for each channel, whose only weight is then exact, a 32-bit bias, and one rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import affine_of


def apply(graph: Graph) -> Graph:
    """Return the graph without affine layers on values of shape (H, W, C)."""
    return rewrite(graph, _rule)


def _rule(call: Call, view: View) -> list[Call] | None:
    import tensorflow as tf

    found = affine_of(call)
    channels = call.shape[-1]
    if found is None or len(call.shape) != 3 or channels is None or view.graph.shape_of(call.inputs[0]) != call.shape:
        return None
    scale, offset = (np.broadcast_to(one.reshape(-1), (channels,)).astype(np.float32) for one in found)
    config: dict[str, Any] = {"name": call.name, "kernel_size": 1, "use_bias": True, "activation": "linear"}
    weights = (scale.reshape(1, 1, channels, 1).copy(), offset.copy())
    return [Call(call.name, tf.keras.layers.DepthwiseConv2D, config, call.inputs, call.shape, weights)]
