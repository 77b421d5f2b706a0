"""Accuracy against labels, and against the float model image by image.

Of equal scores the lower class number comes first, as in ``argmax``; integer outputs do have such ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.statistics import mcnemar_exact, wilson
from harness.records import Value

UNITS: dict[str, str] = {
    "images": "count",
    "top1": "fraction",
    "top5": "fraction",
    "top1_ci_low": "fraction",
    "top1_ci_high": "fraction",
    "float_top1": "fraction",
    "top1_drop": "fraction",
    "mcnemar_p": "probability",
    "only_float_right": "count",
    "only_artifact_right": "count",
}
COLUMNS = tuple(name for name in UNITS if name != "images")
KEPT = 5
"""Classes kept for each image."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Predictions:
    """The best classes of each image."""

    classes: NDArray[np.int32]
    """(N, k), best first."""
    scores: Floats
    """(N, k), falling."""


def best(scores: Floats, count: int = KEPT) -> Predictions:
    """Return the ``count`` best classes of (N, C) scores, all when C is less. Raises ``ValueError``."""
    if scores.ndim != 2:
        raise ValueError(f"scores have shape {scores.shape}, expected (images, classes)")
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return Predictions(order.astype(np.int32), np.take_along_axis(scores, order, axis=1))


def measure(
    predictions: Predictions, reference: Predictions, labels: NDArray[np.int32], classes: int
) -> tuple[dict[str, Value], dict[str, str]]:
    """Return (values, missing) for predictions of artifact and float model on the same N ≥ 1 images."""
    right = predictions.classes[:, 0] == labels
    float_right = reference.classes[:, 0] == labels
    only_float, only_artifact = int((float_right & ~right).sum()), int((right & ~float_right).sum())
    low, high = wilson(int(right.sum()), len(labels))
    values: dict[str, Value] = {
        "top1": float(right.mean()),
        "top1_ci_low": low,
        "top1_ci_high": high,
        "float_top1": float(float_right.mean()),
        "top1_drop": (only_float - only_artifact) / len(labels),
        "mcnemar_p": mcnemar_exact(only_float, only_artifact),
        "only_float_right": only_float,
        "only_artifact_right": only_artifact,
    }
    if classes <= KEPT:
        return values, {"top5": f"the task has {classes} classes: any answer is among the best five"}
    values["top5"] = float((predictions.classes == labels[:, None]).any(axis=1).mean())
    return values, {}
