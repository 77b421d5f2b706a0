"""Shapes that Keras layers give, from their configuration and the shapes that they take; -1 is unknown.

A layer without a rule here has an unknown shape. Channels come last unless the configuration says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from harness.graph.keras_calls import Call

Shape = tuple[int, ...]
_SAME = frozenset({
    "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "ThresholdedReLU", "BatchNormalization",
    "SyncBatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization", "Normalization",
    "Rescaling", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout",
    "GaussianDropout", "GaussianNoise", "ActivityRegularization", "Masking", "Identity",
})  # fmt: skip
_MERGE = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"})


def declared(config: dict[str, Any]) -> Shape | None:
    """Return the shape that an input declares, None when it declares none."""
    raw = config.get("batch_shape", config.get("batch_input_shape"))
    return None if raw is None else tuple(-1 if size is None else int(size) for size in raw)


def output(call: Call, inputs: list[Shape | None]) -> Shape | None:
    """Return the shape of what a call gives, None when it cannot be told."""
    known = [shape for shape in inputs if shape is not None]
    if not known or len(known) != len(inputs):
        return None
    if call.kind in _SAME:
        return known[0]
    if call.kind in _MERGE or call.kind == "TFOpLambda":
        return _broadcast(known) if call.kind in _MERGE or _elementwise(call) else None
    rule = _RULES.get(call.kind)
    return None if rule is None else rule(call.config, known)


def _elementwise(call: Call) -> bool:
    name = str(call.config.get("function", "")).rpartition(".")[2]
    return name in ("add", "multiply", "subtract", "sub", "mul", "truediv", "divide", "relu", "relu6", "maximum",
                    "minimum", "sigmoid", "tanh", "add_v2")  # fmt: skip


def _broadcast(shapes: list[Shape]) -> Shape | None:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found = []
    for sizes in zip(*padded, strict=True):
        large = {size for size in sizes if size != 1}
        if len(large - {-1}) > 1:
            return None
        found.append(max(large, default=1))
    return tuple(found)


def _pair(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(int(one) for one in value) if isinstance(value, list | tuple) else (int(value),) * rank


def _split(config: dict[str, Any], shape: Shape) -> tuple[int, Shape, int]:
    """Return (batch, spatial sizes, channels)."""
    if config.get("data_format") == "channels_first":
        return shape[0], shape[2:], shape[1]
    return shape[0], shape[1:-1], shape[-1]


def _joined(config: dict[str, Any], batch: int, spatial: Shape, channels: int) -> Shape:
    if config.get("data_format") == "channels_first":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def _slide(config: dict[str, Any], spatial: Shape, window: tuple[int, ...]) -> Shape:
    """Return the sizes that a window gives, sliding with the layer's strides, dilation and padding."""
    rank = len(spatial)
    strides = _pair(config.get("strides") or window, rank)
    spread = _pair(config.get("dilation_rate", 1), rank)
    found = []
    for size, width, stride, gap in zip(spatial, window, strides, spread, strict=True):
        reach = 1 if config.get("padding") in ("same", "causal") else gap * (width - 1) + 1
        found.append(-1 if size < 0 else max(0, -(-(size - reach + 1) // stride)))
    return tuple(found)


def _conv(channels: Callable[[dict[str, Any], int], int]) -> Callable[[dict[str, Any], list[Shape]], Shape]:
    def rule(config: dict[str, Any], shapes: list[Shape]) -> Shape:
        batch, spatial, before = _split(config, shapes[0])
        window = _pair(config["kernel_size"], len(spatial))
        return _joined(config, batch, _slide(config, spatial, window), channels(config, before))

    return rule


def _transposed(config: dict[str, Any], shapes: list[Shape]) -> Shape | None:
    batch, spatial, _ = _split(config, shapes[0])
    if config.get("output_padding") is not None or set(_pair(config.get("dilation_rate", 1), len(spatial))) != {1}:
        return None
    found = []
    window, strides = _pair(config["kernel_size"], len(spatial)), _pair(config["strides"], len(spatial))
    for size, width, stride in zip(spatial, window, strides, strict=True):
        more = 0 if config.get("padding") == "same" else max(width - stride, 0)
        found.append(-1 if size < 0 else size * stride + more)
    return _joined(config, batch, tuple(found), int(config["filters"]))


def _pool(config: dict[str, Any], shapes: list[Shape]) -> Shape:
    batch, spatial, channels = _split(config, shapes[0])
    return _joined(config, batch, _slide(config, spatial, _pair(config["pool_size"], len(spatial))), channels)


def _global_pool(config: dict[str, Any], shapes: list[Shape]) -> Shape:
    batch, spatial, channels = _split(config, shapes[0])
    return _joined(config, batch, (1,) * len(spatial), channels) if config.get("keepdims") else (batch, channels)


def _sides(value: Any, rank: int) -> list[tuple[int, int]]:
    pairs = [value] * rank if isinstance(value, int) else list(value)
    if rank == 1 and isinstance(pairs[0], int) and len(pairs) == 2:
        pairs = [pairs]
    return [(one, one) if isinstance(one, int) else (int(one[0]), int(one[1])) for one in pairs]


def _grow(sign: int, key: str) -> Callable[[dict[str, Any], list[Shape]], Shape]:
    def rule(config: dict[str, Any], shapes: list[Shape]) -> Shape:
        batch, spatial, channels = _split(config, shapes[0])
        sides = _sides(config[key], len(spatial))
        sizes = (size if size < 0 else size + sign * sum(side) for size, side in zip(spatial, sides, strict=True))
        return _joined(config, batch, tuple(sizes), channels)

    return rule


def _upsampled(config: dict[str, Any], shapes: list[Shape]) -> Shape:
    batch, spatial, channels = _split(config, shapes[0])
    factors = _pair(config["size"], len(spatial))
    return _joined(config, batch, tuple(s if s < 0 else s * f for s, f in zip(spatial, factors, strict=True)), channels)


def _flat(shape: Shape) -> int:
    return -1 if min(shape, default=0) < 0 else prod(shape)


def _reshaped(config: dict[str, Any], shapes: list[Shape]) -> Shape:
    batch, *rest = shapes[0]
    target, whole = [int(size) for size in config["target_shape"]], _flat(tuple(rest))
    if -1 in target and whole >= 0:
        known = prod(size for size in target if size != -1)
        target[target.index(-1)] = whole // known if known else 0
    return (batch, *target)


def _concatenated(config: dict[str, Any], shapes: list[Shape]) -> Shape | None:
    axis = int(config.get("axis", -1))
    if len({len(shape) for shape in shapes}) != 1 or not -len(shapes[0]) <= axis < len(shapes[0]):
        return None
    made = list(shapes[0])
    sizes = [shape[axis] for shape in shapes]
    made[axis] = -1 if min(sizes) < 0 else sum(sizes)
    return tuple(made)


_RULES: dict[str, Callable[[dict[str, Any], list[Shape]], Shape | None]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _conv(lambda config, _: int(config["filters"]))),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _conv(lambda config, _: int(config["filters"]))),
    **dict.fromkeys(
        ("DepthwiseConv1D", "DepthwiseConv2D"), _conv(lambda config, before: before * int(config["depth_multiplier"]))
    ),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **dict.fromkeys((f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)), _pool),
    **dict.fromkeys((f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)), _global_pool),
    **dict.fromkeys((f"ZeroPadding{n}D" for n in (1, 2, 3)), _grow(1, "padding")),
    **dict.fromkeys((f"Cropping{n}D" for n in (1, 2, 3)), _grow(-1, "cropping")),
    **dict.fromkeys((f"UpSampling{n}D" for n in (1, 2, 3)), _upsampled),
    "Dense": lambda config, shapes: (*shapes[0][:-1], int(config["units"])),
    "Flatten": lambda _, shapes: (shapes[0][0], _flat(shapes[0][1:])),
    "Reshape": _reshaped,
    "Permute": lambda config, shapes: (shapes[0][0], *(shapes[0][int(axis)] for axis in config["dims"])),
    "RepeatVector": lambda config, shapes: (shapes[0][0], int(config["n"]), *shapes[0][1:]),
    "Embedding": lambda config, shapes: (*shapes[0], int(config["output_dim"])),
    "Concatenate": _concatenated,
}
"""Class of a layer → rule."""
