"""``x · hard_sigmoid(x)``, as MobileNetV3 spells it, becomes one layer: LiteRT has one int8 kernel for it.

XNNPACK has none. ``as_product`` spells it in what XNNPACK does have: a depthwise 1×1 convolution whose result is cut
at 0 and 1, and a product.
"""

from __future__ import annotations

import numpy as np

from harness.qat.graph import Call, Graph, View, rewrite, unused
from harness.qat.layers import hard_swish


def apply(graph: Graph) -> Graph:
    """Return the graph with ``HardSwish`` layers."""
    return rewrite(graph, _rule)


def as_product(graph: Graph) -> Graph:
    """Return the graph with a depthwise convolution, a cut and a product in the place of each ``HardSwish``."""
    taken = [call.name for call in graph.calls]

    def rule(call: Call, view: View) -> list[Call] | None:  # noqa: ARG001 - a rule
        return _product(call, taken) if call.kind == "HardSwish" and len(call.shape) == 3 else None

    return rewrite(graph, rule)


def _product(call: Call, taken: list[str]) -> list[Call]:
    import tensorflow as tf

    scaled, gate = unused(taken, f"{call.name}_sixth"), unused(taken, f"{call.name}_gate")
    taken += [scaled, gate]
    channels = int(call.shape[-1] or 0)
    weights = (np.full((1, 1, channels, 1), 1 / 6, np.float32), np.full(channels, 0.5, np.float32))
    config = {"name": scaled, "kernel_size": 1, "use_bias": True, "activation": "linear"}
    layers = tf.keras.layers
    return [
        Call(scaled, layers.DepthwiseConv2D, config, call.inputs, call.shape, weights),
        Call(gate, layers.ReLU, {"name": gate, "max_value": 1.0}, (scaled,), call.shape),
        Call(call.name, layers.Multiply, {"name": call.name}, (call.inputs[0], gate), call.shape),
    ]


def _rule(call: Call, view: View) -> list[Call] | None:
    if call.kind != "Multiply" or len(call.inputs) != 2:
        return None
    for value, gate in (call.inputs, call.inputs[::-1]):
        found = view.producer(gate)
        if found is not None and found.kind == "HardSigmoid" and found.inputs == (value,):
            return [hard_swish(call, value)]
    return None
