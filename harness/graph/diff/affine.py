"""Arithmetic with constants as a scale and a shift, with their values where those are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph.legal.names import Legal
from harness.graph.model import Node

_TOLERANCE = 1e-4
"""Relative; folding is done in float32."""


@dataclass(frozen=True, slots=True)
class Affine:
    """``scale * x + shift``; None where values are unknown."""

    scale: NDArray[Any] | None
    shift: NDArray[Any] | None
    scales: bool
    """Whether there is a scale at all."""
    shifts: bool

    @property
    def is_nothing(self) -> bool:
        """Return whether it is known to leave values as they are."""
        return _is(self.scale, 1.0) and _is(self.shift, 0.0)

    @property
    def known(self) -> bool:
        """Return whether both values are known."""
        return self.scale is not None and self.shift is not None

    def then(self, other: Affine) -> Affine:
        """Return both, one after the other."""
        scale = shift = None
        if self.scale is not None and other.scale is not None:
            scale = _joined(np.multiply, self.scale, other.scale)
        if self.shift is not None and other.known and other.scale is not None:
            moved = _joined(np.multiply, self.shift, other.scale)
            shift = None if moved is None or other.shift is None else _joined(np.add, moved, other.shift)
        return Affine(scale, shift, self.scales or other.scales, self.shifts or other.shifts)

    def same_as(self, other: Affine) -> bool | None:
        """Return whether both do the same, None when that is unknown."""
        pairs = ((self.scale, other.scale), (self.shift, other.shift))
        found = [None if one is None or two is None else close(one, two) for one, two in pairs]
        if False in found:
            return False
        return None if None in found else True


NOTHING = Affine(np.asarray(1.0), np.asarray(0.0), scales=False, shifts=False)


def of(legal: Legal, node: Node) -> Affine:
    """Return what an affine node does."""
    known = legal.constants
    one, zero = np.asarray(1.0), np.asarray(0.0)
    if node.op == "BatchNorm":
        return _batch_norm(legal, node)
    place = next(i for i, n in enumerate(node.inputs) if n >= 0 and known.leaves(n) is None)
    others = [n for i, n in enumerate(node.inputs) if i != place]
    values = _flat(known.values(others[0])) if others else None
    if node.op in ("Mul", "Div"):
        scale = values if node.op == "Mul" or values is None else 1 / np.where(values == 0, np.nan, values)
        return Affine(scale, zero, scales=True, shifts=False)
    if node.op == "Sub" and place == 1:
        return Affine(-one, values, scales=True, shifts=True)
    shift = None if values is None else (-values if node.op == "Sub" else values)
    return Affine(one, shift, scales=False, shifts=True)


def _batch_norm(legal: Legal, node: Node) -> Affine:
    epsilon = float(node.attributes.get("epsilon", 1e-5 if legal.graph.format == "onnx" else 1e-3))
    defaults = (1.0, 0.0, 0.0, 1.0)
    given = [*node.inputs[1:5], *[-1] * (5 - len(node.inputs))]
    values = [
        np.asarray(default) if number < 0 else _flat(legal.constants.values(number))
        for number, default in zip(given, defaults, strict=True)
    ]
    gamma, beta, mean, variance = values
    scale = None if gamma is None or variance is None else gamma / np.sqrt(variance + epsilon)
    shift = None if scale is None or beta is None or mean is None else beta - mean * scale
    return Affine(scale, shift, scales=True, shifts=True)


def _flat(values: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return values along the channels, without the dimensions of 1 that formats put elsewhere."""
    if values is None:
        return None
    found: NDArray[Any] = np.squeeze(np.asarray(values, np.float64))
    return found


def _joined(function: Any, one: NDArray[Any], two: NDArray[Any]) -> NDArray[Any] | None:
    try:
        return np.asarray(function(one, two))
    except ValueError:
        return None


def _is(values: NDArray[Any] | None, wanted: float) -> bool:
    return values is not None and bool(np.all(np.abs(values - wanted) <= 1e-7))


def close(one: NDArray[Any], two: NDArray[Any]) -> bool:
    """Return whether values agree as well as arithmetic in float32 lets them."""
    try:
        one, two = np.broadcast_arrays(one, two)
    except ValueError:
        return False
    size = max(float(np.max(np.abs(one), initial=0)), float(np.max(np.abs(two), initial=0)), 1e-12)
    return bool(np.all(np.abs(one - two) <= _TOLERANCE * size))
