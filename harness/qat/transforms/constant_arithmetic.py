"""Arithmetic with constants, in all its spellings, becomes one layer: ``x · scale + offset`` for each channel.

``Rescaling`` (EfficientNet, MobileNetV3), ``Normalization`` and the multiply by 1/√std that EfficientNet has only with
ImageNet weights, and the ``x + 3`` and ``· 1/6`` of MobileNetV3's hard-swish. Of two values, an addition or a
product written as an operator becomes the ``Add`` or ``Multiply`` layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.errors import StageFailed
from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import channel_affine

OPERATORS = {
    "__operators__.add": "add", "math.add": "add", "add": "add",
    "math.subtract": "subtract", "subtract": "subtract",
    "math.multiply": "multiply", "multiply": "multiply",
    "math.truediv": "divide", "math.divide": "divide", "truediv": "divide",
}  # fmt: skip
"""TensorFlow's symbol → what it does."""


def apply(graph: Graph) -> Graph:
    """Return the graph without layers that only compute with constants, ``ChannelAffine`` apart.

    Raises:
        StageFailed: ``unknown_operator``, for an operator that there is no layer for.
    """
    return rewrite(graph, _rule)


def _rule(call: Call, view: View) -> list[Call] | None:  # noqa: ARG001 - a rule
    if call.kind == "Rescaling":
        return [channel_affine(call, call.config["scale"], call.config["offset"])]
    if call.kind == "Normalization":
        return [_normalization(call)]
    if call.kind == "TFOpLambda":
        return [_operator(call)]
    return None


def _normalization(call: Call) -> Call:
    """(x - mean) / max(√variance, ε) as Keras computes it, with its ε of 1e-7."""
    if call.get("invert"):
        raise StageFailed(f"layer '{call.name}': inverted normalization", "unknown_operator")
    # the adapted layer keeps mean and variance (and a count) as weights, the given ones are in the configuration
    mean, variance = call.weights[:2] if call.weights else (call.config["mean"], call.config["variance"])
    spread = np.maximum(np.sqrt(np.asarray(variance, np.float64)), 1e-7)
    return channel_affine(call, 1 / spread, -np.asarray(mean, np.float64) / spread)


def _operator(call: Call) -> Call:
    symbol = str(call.get("function"))
    operator = OPERATORS.get(symbol)
    constants = [value for key, value in call.arguments.items() if key != "name"]
    if operator in ("add", "multiply") and len(call.inputs) == 2 and not constants:
        return _merge(call, operator)
    if operator is None or len(call.inputs) != 1 or len(constants) != 1 or not _second(call):
        raise StageFailed(f"layer '{call.name}' is the operator tf.{symbol}, which has no layer", "unknown_operator")
    constant = np.asarray(constants[0], np.float64)
    one, zero = np.ones(()), np.zeros(())
    scale, offset = {
        "add": (one, constant),
        "subtract": (one, -constant),
        "multiply": (constant, zero),
        "divide": (1 / constant, zero),
    }[operator]
    return channel_affine(call, scale, offset)


def _second(call: Call) -> bool:
    """Return whether the constant is the second operand, or the order is the same to the operator."""
    return OPERATORS[str(call.get("function"))] in ("add", "multiply") or not {"0", "x"} & set(call.arguments)


def _merge(call: Call, operator: str) -> Call:
    import tensorflow as tf

    layer: Any = {"add": tf.keras.layers.Add, "multiply": tf.keras.layers.Multiply}[operator]
    return Call(call.name, layer, {"name": call.name}, call.inputs, call.shape)
