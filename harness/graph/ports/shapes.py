"""Shapes and values of ports in two orders of dimensions: channels behind (N×H×W×C) and in front (N×C×H×W)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def same(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether two shapes agree; -1 agrees with everything."""
    return len(one) == len(other) and all(a == b or -1 in (a, b) for a, b in zip(one, other, strict=True))


def turned(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether one is N×H×W×C and the other N×C×H×W."""
    if len(one) != 4 or len(other) != 4 or same(one, other):
        return False
    return same((one[0], one[3], one[1], one[2]), other) or same((other[0], other[3], other[1], other[2]), one)


def turn(values: NDArray[Any], target: tuple[int, ...] | None) -> NDArray[Any]:
    """Return values in the order of dimensions that ``target`` has."""
    if target is None or len(target) != 4 or same(values.shape, target):
        return values
    for order in ((0, 3, 1, 2), (0, 2, 3, 1)):
        turned = values.transpose(order)
        if same(turned.shape, target):
            return np.ascontiguousarray(turned)
    return values


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest difference relative to the largest value, also with channels in front; inf: no match."""
    if one.size != other.size or not one.size:
        return float("inf")
    forms = [other.reshape(one.shape)]
    if other.ndim == 4:
        forms += [t.reshape(one.shape) for t in (other.transpose(0, 2, 3, 1), other.transpose(0, 3, 1, 2))]
    with np.errstate(all="ignore"):
        size = max(float(np.max(np.abs(one.astype(np.float64)))), 1e-9)
        found = [float(np.max(np.abs(one.astype(np.float64) - form))) / size for form in forms]
    known = [value for value in found if not np.isnan(value)]
    return min(known, default=float("inf"))
