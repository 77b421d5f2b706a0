"""Where values are rounded to 8 bits: as LiteRT's int8 kernels do it, and nowhere else.

A convolution, its batch normalization and its activation are one kernel, with one rounding at the end. Padding,
reshaping and max-pooling hand values on as they are. A concatenation needs one range for all it joins, so the
values that come together in one, and in the next, and so through a dense block, share theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.qat.graph import Call, Graph, View, unused
from harness.qat.layers import UNIT, classes, quantized

HANDED_ON = (
    "ZeroPadding2D", "Cropping2D", "Reshape", "Flatten", "Permute", "RepeatVector",
    "MaxPooling2D", "GlobalMaxPooling2D",
)  # fmt: skip
"""Layers whose values have the range of what they take."""
TIED = ("AveragePooling2D",)
"""Layers whose int8 kernel rounds, to the range of what it takes."""
SHARING = ("Concatenate",)
NORMALIZATIONS = ("BatchNormalization", "SyncBatchNormalization")
RECTIFIED = ("Add", "Multiply", "Subtract", *NORMALIZATIONS)
"""Layers whose kernel has ``relu`` built in, besides those with weights."""
PROBABILITIES = ("sigmoid", "softmax")


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph with ranges."""

    graph: Graph
    ranges: int
    shared: int
    """Values that share the range of others."""


def place(graph: Graph) -> Placed:
    """Return the graph that computes as int8 kernels do, its ranges still to be found (``calibrate``)."""
    view = View(graph, graph.by_name(), graph.consumers())
    groups = _groups(view)
    instead = {graph.input: f"{graph.input}_range"}
    first = Call(instead[graph.input], classes().Range, {}, (graph.input,), graph.shape)
    calls, names = [first], {call.name for call in graph.calls} | {graph.input, first.name}
    shared = 0
    for call in graph.calls:
        inputs = tuple(instead.get(name, name) for name in call.inputs)
        if _is_cut_at_one(call):
            calls.append(_range(call, call.name, inputs, fixed=(0.0, 1.0)))
            continue
        calls.append(replace(call, inputs=inputs, layer=quantized(call.layer) or call.layer))
        if not _rounds(call, view):
            continue
        name = unused(names, f"{call.name}_range")
        names.add(name)
        instead[call.name] = name
        group = groups[call.name]
        own = _range(call, name, (call.name,), fixed=_fixed(call))
        common = "" if group == call.name else instead.get(group, group)
        shared += bool(common)
        calls.append(replace(own, shared=common))
    outputs = {name: instead.get(value, value) for name, value in graph.outputs.items()}
    placed = replace(graph, calls=tuple(calls), outputs=outputs)
    return Placed(placed, sum(call.kind == "Range" for call in placed.calls) - shared, shared)


def _range(call: Call, name: str, inputs: tuple[str, ...], fixed: tuple[float, float] | None) -> Call:
    return Call(name, classes().Range, {"fixed": fixed}, inputs, call.shape)


def _fixed(call: Call) -> tuple[float, float] | None:
    return UNIT if call.kind == "Softmax" or call.get("activation") in PROBABILITIES else None


def _is_cut_at_one(call: Call) -> bool:
    """Return whether a range from 0 to 1 is all that a layer does."""
    return call.kind == "ReLU" and call.get("max_value") == 1 and not call.get("negative_slope")


def _rounds(call: Call, view: View) -> bool:
    """Return whether a kernel ends with a call."""
    if call.kind in HANDED_ON or call.kind in SHARING:
        return False
    users = view.taken[call.name]
    if len(users) != 1 or not view.only_for(call.name, users[0]):
        return True
    return not _joins(call, users[0])


def _joins(call: Call, user: Call) -> bool:
    """Return whether the kernel that computes ``call`` computes its only user as well."""
    weighted = quantized(call.layer) is not None and call.get("activation") == "linear"
    if user.kind in NORMALIZATIONS:
        return weighted
    rectifies = (user.kind == "ReLU" and not user.get("negative_slope") and not user.get("threshold")) or (
        user.kind == "Activation" and user.get("activation") in ("relu", "relu6")
    )
    return rectifies and (weighted or call.kind in RECTIFIED)


def _groups(view: View) -> dict[str, str]:
    """Return value → the first value, in the order of the graph, that has the same range."""
    parent = {name: name for name in [view.graph.input, *view.calls]}
    order = {name: number for number, name in enumerate(parent)}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    def unite(names: Iterable[str]) -> None:
        roots = sorted({root(name) for name in names}, key=order.__getitem__)
        for other in roots[1:]:
            parent[other] = roots[0]

    for call in view.graph.calls:
        if call.kind in SHARING or call.kind in TIED or call.kind in HANDED_ON:
            free = [name for name in call.inputs if not _has_fixed(name, view)]
            unite([call.name, *free] if call.kind in SHARING else [call.name, *call.inputs])
    return _first_that_round({name: root(name) for name in parent}, view)


def _has_fixed(name: str, view: View) -> bool:
    call = view.producer(name)
    return call is not None and (_fixed(call) is not None or _is_cut_at_one(call))


def _first_that_round(roots: dict[str, str], view: View) -> dict[str, str]:
    """Name each group after the first member that has a range of its own: others may come before it."""
    first: dict[str, str] = {}
    for name, root in roots.items():
        call = view.producer(name)
        if call is None or (_rounds(call, view) and _fixed(call) is None):
            first.setdefault(root, name)
    return {name: first.get(root, name) for name, root in roots.items()}


def found(model: Any) -> dict[str, tuple[float, float]]:
    """Return range layer → its two ends."""
    return {
        layer.name: (float(layer.low.numpy()), float(layer.high.numpy()))
        for layer in model.layers
        if type(layer).__name__ == "Range"
    }


def widen_empty(model: Any) -> list[str]:
    """Give ranges that saw nothing but zeros a width that a scale can be made of; return their names."""
    empty = [layer for layer in model.layers if type(layer).__name__ == "Range" and not _width(layer)]
    for layer in empty:
        layer.high.assign(1e-3)
    return [layer.name for layer in empty]


def _width(layer: Any) -> float:
    return float(np.float32(layer.high.numpy()) - np.float32(layer.low.numpy()))
