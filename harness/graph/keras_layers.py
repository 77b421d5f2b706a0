"""What a Keras layer is as an operator: its name, attributes and the constants that stand in its configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph.keras_calls import Call

FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
_SIZES = {"strides": "strides", "dilation_rate": "dilations", "kernel_size": "kernel_size", "pool_size": "kernel_size"}
_NUMBERS = ("epsilon", "axis", "max_value", "negative_slope", "threshold", "alpha", "groups", "rate")
_FLAGS = ("keepdims", "center", "scale")
_KEPT = {"groups": "group", "keepdims": "keep_dims", "ratio": "rate"}


def operator(call: Call) -> str:
    """Return the class name; of a function its name in TensorFlow or Keras: ``tf.math.multiply``."""
    if call.kind in FUNCTIONS:
        name = str(call.config.get("function") or call.config.get("name"))
        return name if name.startswith("tf.") else f"tf.{name}"
    return call.kind


def attributes(call: Call) -> dict[str, int | float | str | bool]:
    """Return the attributes under the names of ``model.Node``."""
    config = call.config
    found: dict[str, int | float | str | bool] = {}
    for old, new in _SIZES.items():
        if isinstance(config.get(old), list | tuple | int):
            found[new] = _size(config[old])
    for name in (*_NUMBERS, *_FLAGS):
        value = config.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, int | float):
            found[_KEPT.get(name, name)] = value
    if "activation" in config and (activation := _word(config["activation"])) != "linear":
        found["activation"] = activation
    if isinstance(config.get("padding"), str):
        found["padding"] = config["padding"]
    elif isinstance(config.get("padding"), list):
        found["padding"] = ",".join(str(one) for pair in config["padding"] for one in np.ravel(pair))
    found |= {key: value for key, value in call.options.items() if isinstance(value, int | float | str)}
    return found


def constants(call: Call) -> list[tuple[str, NDArray[Any]]]:
    """Return (name, values) of the constants that a layer has in its configuration instead of weights."""
    config = call.config
    names: tuple[str, ...] = ()
    if call.kind == "Rescaling":
        names = ("scale", "offset")
    elif call.kind == "Normalization" and config.get("mean") is not None:
        names = ("mean", "variance")
    return [(name, np.asarray(config[name], np.float32)) for name in names]


def dtype(config: dict[str, Any]) -> str:
    """Return the dtype that a layer computes in; that of a policy is ``float16`` or ``bfloat16`` when mixed."""
    given = config.get("dtype", "float32")
    if isinstance(given, dict):
        given = (given.get("config") or {}).get("name", "float32")
    return str(given or "float32").removeprefix("mixed_")


def first(model: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration that declares the input of a Sequential model."""
    if not model["layers"]:
        raise ValueError("it has no layers")
    found: dict[str, Any] = model["layers"][0]["config"]
    if "batch_shape" in found or "batch_input_shape" in found:
        return found
    shape = model.get("build_input_shape")
    return found | ({"batch_input_shape": shape} if isinstance(shape, list) else {})


def _size(value: Any) -> str:
    sizes = value if isinstance(value, list | tuple) else [value]
    return "x".join(str(int(one)) for one in sizes)


def _word(activation: Any) -> str:
    """Return the name of an activation, given as a word or as a serialized object."""
    if isinstance(activation, dict):
        config = activation.get("config")
        activation = config if isinstance(config, str) else activation.get("class_name", "unknown")
    return str(activation or "linear").lower()
