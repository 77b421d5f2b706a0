"""Batch normalizations and other arithmetic per channel as what they are: a scale and an offset for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph.transforms.values import Array, constant
from harness.graph.transforms.work import Work

FUSED = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
GLOBAL = "BatchNormWithGlobalNormalization"
NORMS = (*FUSED, GLOBAL)
SCALES = ("Mul", "RealDiv", "Div")
SHIFTS = ("Add", "AddV2", "BiasAdd", "Sub")
COPY = "Identity"


@dataclass(frozen=True, slots=True)
class Affine:
    """``y = scale · x + offset``, float64, one number for all channels or one each."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    def then(self, after: Affine) -> Affine:
        """Return both, one after the other."""
        return Affine(after.scale * self.scale, after.scale * self.offset + after.offset)


IDENTITY = Affine(np.ones(()), np.zeros(()))


def affine(work: Work, node: Any, read: str, rank: int) -> Affine | str:
    """Return what ``node`` does to the tensor ``read``, of ``rank`` dimensions with channels last; else why not."""
    if node.op in NORMS:
        return _norm(work, node, read)
    if node.op == COPY:
        return IDENTITY
    if node.op not in SCALES + SHIFTS:
        return f"{node.op} is no arithmetic per channel"
    if text(node, "data_format", "NHWC").startswith("NC"):
        return "its channels come first (NCHW)"
    data = [one for one in node.input if not one.startswith("^")]
    first = data[0] == read
    other = constant(work, data[1] if first else data[0])
    if other is None or data[0] == data[1]:
        return "its other operand is no constant"
    values = per_channel(other, rank)
    if values is None:
        return f"its other operand has the shape {other.shape}, which is not one number a channel"
    return _arithmetic(node.op, values, first)


def _arithmetic(op: str, values: NDArray[np.float64], first: bool) -> Affine | str:
    if op == "Mul":
        return Affine(values, np.zeros(()))
    if op in ("RealDiv", "Div"):
        if not first or not values.all():
            return "it divides by zero" if first else "it divides by what it reads"
        return Affine(1 / values, np.zeros(()))
    if op == "Sub":
        return Affine(np.ones(()), -values) if first else Affine(-np.ones(()), values)
    return Affine(np.ones(()), values)


def per_channel(value: Array, rank: int) -> NDArray[np.float64] | None:
    """Return a constant as one number or one number a channel, channels last."""
    if value.ndim > rank or value.size != (value.shape[-1] if value.ndim else 1) or value.dtype.kind in "SOb":
        return None
    flat: NDArray[np.float64] = value.astype(np.float64).reshape(value.shape[-1:])
    return flat


def _norm(work: Work, node: Any, read: str) -> Affine | str:
    """Return a batch normalization with constants; the order of the inputs is that of the operators' definitions."""
    if node.op == GLOBAL:
        names, epsilon = ("mean", "variance", "beta", "gamma"), node.attr["variance_epsilon"].f
        scaled = node.attr["scale_after_normalization"].b
    else:
        names, scaled = ("gamma", "beta", "mean", "variance"), True
        epsilon = node.attr["epsilon"].f if "epsilon" in node.attr else 1e-4
        if "is_training" not in node.attr or node.attr["is_training"].b:
            return "it is in training mode: it takes the statistics of the batch"
        if text(node, "data_format", "NHWC").startswith("NC"):
            return f"its channels come first ({text(node, 'data_format', '')})"
    if node.input[0] != read:
        return "it is no normalization of that tensor"
    found = {name: constant(work, one) for name, one in zip(names, node.input[1:], strict=False)}
    given = {name: value.astype(np.float64) for name, value in found.items() if value is not None}
    if missing := [name for name in names if name not in given]:
        return f"its {missing[0]} is no constant"
    spread = given["variance"] + epsilon
    if not (spread > 0).all():
        return "its variance is not above zero"
    scale = 1 / np.sqrt(spread)
    scale = scale * given["gamma"] if scaled else scale
    return Affine(scale, given["beta"] - given["mean"] * scale)


def text(node: Any, name: str, usual: str) -> str:
    """Return an attribute of a node; to look into ``attr`` without asking would put one there."""
    return node.attr[name].s.decode() if name in node.attr else usual
