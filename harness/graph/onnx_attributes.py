"""What an ONNX operator says of itself besides its tensors, under the names of ``model.Node``."""

from __future__ import annotations

from typing import Any

_NUMBERS = {"transA": "transpose_a", "transB": "transpose_b", "axis": "axis", "group": "group", "keepdims": "keep_dims"}
_REALS = {"alpha": "alpha", "beta": "beta", "epsilon": "epsilon"}
_SIZES = {"strides": "strides", "dilations": "dilations", "kernel_shape": "kernel_size"}
_LISTS = ("axes", "perm")


def attributes(raw: Any) -> dict[str, int | float | str | bool]:
    """Return the attributes of a NodeProto that are kept; ``pads`` as ``top,bottom,left,right``."""
    found: dict[str, int | float | str | bool] = {}
    for one in raw.attribute:
        if one.name in _NUMBERS:
            found[_NUMBERS[one.name]] = int(one.i)
        elif one.name in _REALS:
            found[_REALS[one.name]] = float(one.f)
        elif one.name in _SIZES:
            found[_SIZES[one.name]] = "x".join(map(str, one.ints))
        elif one.name in _LISTS:
            found[one.name] = ",".join(map(str, one.ints))
        elif one.name == "pads":
            half = len(one.ints) // 2
            found["padding"] = ",".join(
                map(str, (n for pair in zip(one.ints[:half], one.ints[half:], strict=False) for n in pair))
            )
        elif one.name == "auto_pad" and one.s not in (b"", b"NOTSET"):
            found["padding"] = "valid" if one.s == b"VALID" else "same"
        elif one.name == "activation":
            found["activation"] = one.s.decode("utf-8", "replace").lower()
        elif one.name in ("min", "max") and one.type == one.FLOAT:  # Clip before opset 11
            found[one.name] = float(one.f)
    return found
