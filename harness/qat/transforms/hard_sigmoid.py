"""``relu6(x + 3) / 6``, three layers in MobileNetV3, becomes one; a convolution before it takes over all but the cut.

Where the value comes from a convolution or dense layer alone, its weights and bias take the ``x / 6 + 1/2``, and a
``ReLU`` that ends at 1 does the rest, which int8 does for nothing by ending its range at 0 and 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import affine_of, hard_sigmoid

WEIGHTED = ("Conv2D", "Dense")


def apply(graph: Graph) -> Graph:
    """Return the graph with ``HardSigmoid`` layers, or scaled convolutions and a ``ReLU`` up to 1."""
    return rewrite(rewrite(graph, _recognize), _absorb)


def _recognize(call: Call, view: View) -> list[Call] | None:
    start = matched(call, view)
    return None if start is None else [hard_sigmoid(call, start)]


def matched(call: Call, view: View) -> str | None:
    """Return the value x when ``call`` gives ``relu6(x + 3) / 6``."""
    if call.kind == "Activation" and call.get("activation") == "hard_sigmoid":
        return None  # Keras 2 cuts 0.2 x + 0.5: another function
    if not _is_affine(call, 1 / 6, 0):
        return None
    relu = view.producer(call.inputs[0])
    if relu is None or relu.kind != "ReLU" or relu.get("max_value") != 6 or relu.get("threshold"):
        return None
    plus = view.producer(relu.inputs[0])
    return plus.inputs[0] if plus is not None and _is_affine(plus, 1, 3) else None


def _is_affine(call: Call, scale: float, offset: float) -> bool:
    found = affine_of(call)
    return found is not None and all(
        np.allclose(have, want, rtol=1e-5) for have, want in zip(found, (scale, offset), strict=True)
    )


def _absorb(call: Call, view: View) -> list[Call] | None:
    import tensorflow as tf

    if call.kind == "HardSigmoid":
        own = {"name": call.name, "max_value": 1.0}
        first = view.producer(call.inputs[0])
        if first is not None and _absorbs(first, call, view):
            return [Call(call.name, tf.keras.layers.ReLU, own, call.inputs, call.shape)]
        return None
    users = view.taken[call.name]
    if len(users) == 1 and users[0].kind == "HardSigmoid" and _absorbs(call, users[0], view):
        kernel, *bias = call.weights
        moved = (bias[0] / 6 if bias else np.zeros(kernel.shape[-1], kernel.dtype)) + kernel.dtype.type(0.5)
        return [replace(call.but(use_bias=True), weights=(kernel / 6, moved.astype(kernel.dtype)))]
    return None


def _absorbs(call: Call, user: Call, view: View) -> bool:
    return call.kind in WEIGHTED and call.get("activation") == "linear" and view.only_for(call.name, user)
