"""What a .tflite operator says of itself besides its tensors: strides, padding, fused activation."""

from __future__ import annotations

from typing import Any

_ACTIVATIONS = {1: "relu", 2: "relu_n1_to_1", 3: "relu6", 4: "tanh", 5: "sign_bit"}
_PADDINGS = {0: "same", 1: "valid"}
_PAIRS = {
    "strides": ("StrideH", "StrideW"),
    "dilations": ("DilationHFactor", "DilationWFactor"),
    "kernel_size": ("FilterHeight", "FilterWidth"),
}
_FLAGS = {"AdjX": "transpose_a", "AdjY": "transpose_b", "KeepDims": "keep_dims"}


def attributes(schema: Any, raw: Any) -> dict[str, int | float | str | bool]:
    """Return the attributes of an operator under the names of ``model.Node``; flags only where they are set."""
    table = raw.BuiltinOptions()
    kinds = {value: name for name, value in vars(schema.BuiltinOptions).items() if not name.startswith("_")}
    kind = getattr(schema, kinds.get(raw.BuiltinOptionsType(), ""), None)
    if table is None or kind is None:
        return {}
    options = kind()
    options.Init(table.Bytes, table.Pos)
    found: dict[str, int | float | str | bool] = {}
    for name, (height, width) in _PAIRS.items():
        if hasattr(options, height) and hasattr(options, width):
            found[name] = f"{getattr(options, height)()}x{getattr(options, width)()}"
    if hasattr(options, "Padding"):
        found["padding"] = _PADDINGS.get(options.Padding(), "unknown")
    if hasattr(options, "FusedActivationFunction"):
        found |= _activation(options.FusedActivationFunction())
    found |= {name: True for method, name in _FLAGS.items() if hasattr(options, method) and getattr(options, method)()}
    if hasattr(options, "Axis"):
        found["axis"] = int(options.Axis())
    if hasattr(options, "Alpha"):
        found["alpha"] = float(options.Alpha())
    return found


def _activation(number: int) -> dict[str, int | float | str | bool]:
    return {"activation": _ACTIVATIONS.get(number, f"unknown_{number}")} if number else {}
