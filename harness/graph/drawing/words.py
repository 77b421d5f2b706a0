"""Operators by what they are to a reader of a picture, for TFLite, ONNX and TensorFlow names alike."""

from __future__ import annotations

from harness.graph.families import members

ACTIVATIONS = members("activation")
NEUTRAL = frozenset({
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "QuantizeLinear", "DequantizeLinear",
    "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVarsPerChannel",
})  # fmt: skip
"""Keep the value, or round it; TFLite's QUANTIZE and DEQUANTIZE are not here: they are borders worth a box."""

SCALES = members("norm") | members("add") | members("mul") | {"Sub", "SUB", "Div", "RealDiv", "DIV"}
"""Shift and stretch a value, when everything else that they read is constant."""

PADS = members("pad")
PRODUCTS = members("mul")
