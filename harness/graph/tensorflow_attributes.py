"""What a TensorFlow node says of itself besides its tensors, under the names of ``model.Node``."""

from __future__ import annotations

from typing import Any

_FLAGS = {"transpose_a": "transpose_a", "adj_x": "transpose_a", "transpose_b": "transpose_b", "adj_y": "transpose_b",
          "keep_dims": "keep_dims"}  # fmt: skip
_SIZES = {"strides": "strides", "dilations": "dilations", "ksize": "kernel_size"}
_REALS = ("epsilon", "variance_epsilon", "alpha", "leakyrelu_alpha")


def attributes(raw: Any) -> dict[str, int | float | str | bool]:
    """Return the attributes of a NodeDef that are kept; flags only where they are set, sizes without the batch."""
    found: dict[str, int | float | str | bool] = {}
    given = raw.attr
    found |= {new: True for old, new in _FLAGS.items() if old in given and given[old].b}
    layout = given["data_format"].s if "data_format" in given else b"NHWC"
    for old, new in _SIZES.items():
        if old in given and len(given[old].list.i) > 2:
            sizes = given[old].list.i
            found[new] = "x".join(map(str, sizes[2:] if layout.startswith(b"NC") else sizes[1:-1]))
    if "padding" in given and given["padding"].s:
        found["padding"] = _padding(given, layout)
    for name in _REALS:
        if name in given:
            found["epsilon" if name.endswith("epsilon") else "alpha"] = float(given[name].f)
    if "fused_ops" in given:
        found["fused_ops"] = ",".join(_text(one) for one in given["fused_ops"].list.s)
    elif "activation_mode" in given:  # of _FusedBatchNormEx
        found["fused_ops"] = _text(given["activation_mode"].s)
    if layout.startswith(b"NC"):
        found["data_format"] = _text(layout)
    return found


def _padding(given: Any, layout: bytes) -> str:
    """Return ``same``, ``valid`` or explicit sizes without those of batch and channels."""
    word = _text(given["padding"].s).lower()
    if word != "explicit":
        return word
    sizes = list(given["explicit_paddings"].list.i)
    return ",".join(map(str, sizes[4:] if layout.startswith(b"NC") else sizes[2:-2]))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
