"""Fidelity: how close an artifact is to the float model on the same images, without labels.

Columns are of the worst output where there are several, but ``agreement`` is of the primary one. The outputs
are compared as they are: after a softmax large logits look alike, so cosine and SQNR are then kinder than they
would be on logits, and ``agreement`` is the stricter figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.records import Value

UNITS: dict[str, str] = {
    "agreement": "fraction",
    "cosine": "-1…1",
    "sqnr_db": "dB",
    "max_abs_error": "output unit",
    "flat_outputs": "bool",
}
SQNR_CEILING_DB = 200.0
"""Value for outputs that are equal to the last bit; float32 itself ends near 150 dB."""
FLAT_SPREAD = 1e-3
"""Spread over RMS below which outputs are flat: they would look alike whatever the artifact computes."""

Floats = NDArray[np.float32]


def compare(
    outputs: Mapping[str, Floats], reference: Mapping[str, Floats], primary: str
) -> tuple[dict[str, Value], dict[str, str], dict[str, Any]]:
    """Return (values, missing, details) for name → (N, …) float32 of both sides, same names and shapes.

    ``details`` hold every figure for each output, with the position of the worst image.

    Raises:
        ValueError: names or shapes differ, or there is no image.
    """
    _check(outputs, reference)
    each = {name: _one(outputs[name], reference[name]) for name in outputs}
    values: dict[str, Value] = {
        "max_abs_error": max(one["max_abs_error"] for one in each.values()),
        "flat_outputs": is_flat(outputs[primary]) or is_flat(reference[primary]),
    }
    missing: dict[str, str] = {}
    for column in ("cosine", "sqnr_db"):
        known = [one[column] for one in each.values() if one[column] is not None]
        if known:
            values[column] = min(known)
        else:
            missing[column] = "the float model gives only zeros on these images"
    agreed = agreement(outputs[primary], reference[primary])
    if agreed is None:
        missing["agreement"] = f"output '{primary}' is one number, there is nothing to choose"
    else:
        values["agreement"] = agreed
    return values, missing, {"outputs": each}


def _check(outputs: Mapping[str, Floats], reference: Mapping[str, Floats]) -> None:
    if sorted(outputs) != sorted(reference):
        raise ValueError(f"outputs are named {sorted(outputs)}, those of the float model {sorted(reference)}")
    for name, value in outputs.items():
        if value.shape != reference[name].shape or not len(value):
            raise ValueError(f"output '{name}' has shape {value.shape}, float {reference[name].shape}")


def _one(output: Floats, reference: Floats) -> dict[str, Any]:
    """Return the figures of one output, (N, …)."""
    cosines = cosine(output, reference)
    known = cosines[~np.isnan(cosines)]
    errors = np.abs(output.astype(np.float64) - reference).reshape(len(output), -1).max(axis=1)
    return {
        "cosine": float(known.mean()) if len(known) else None,
        "cosine_worst": float(known.min()) if len(known) else None,
        "worst_image": int(np.nanargmin(cosines)) if len(known) else int(errors.argmax()),
        "sqnr_db": sqnr_db(output, reference),
        "max_abs_error": float(errors.max()),
        "flat": is_flat(output),
        "reference_flat": is_flat(reference),
    }


def cosine(output: Floats, reference: Floats) -> NDArray[np.float64]:
    """Return the cosine for each image of (N, …), -1…1: 0 when only the output is all zeros, NaN when the
    reference is."""
    a = output.reshape(len(output), -1).astype(np.float64)
    b = reference.reshape(len(reference), -1).astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("ij,ij->i", a, b)
    found: NDArray[np.float64] = np.clip(
        np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0), -1, 1
    )
    found[~b.any(axis=1)] = np.nan
    return found


def sqnr_db(output: Floats, reference: Floats) -> float | None:
    """Return 10 log10(Σ reference² / Σ (output - reference)²), all images, dB; None for a zero reference."""
    exact = reference.astype(np.float64)
    signal, noise = float(np.square(exact).sum()), float(np.square(output - exact).sum())
    if signal == 0:
        return None
    return min(SQNR_CEILING_DB, 10 * math.log10(signal / noise)) if noise > 0 else SQNR_CEILING_DB


def agreement(output: Floats, reference: Floats) -> float | None:
    """Return the share of positions where the largest value of the last axis is the same; None for one value.

    Equal largest values count for the first of them, as in ``argmax``.
    """
    if output.ndim < 2 or output.shape[-1] < 2:
        return None
    return float(np.mean(output.argmax(axis=-1) == reference.argmax(axis=-1)))


def is_flat(output: Floats) -> bool:
    """Say whether (N, …) hardly differs from value to value, or (for several images) from image to image."""
    values = output.reshape(len(output), -1).astype(np.float64)
    scale = math.sqrt(float(np.square(values).mean()))
    if scale == 0:
        return True
    spreads = [values.std(axis=0)] if len(values) > 1 else []
    spreads += [values.std(axis=1)] if values.shape[1] > 1 else []
    return any(math.sqrt(float(np.square(spread).mean())) < FLAT_SPREAD * scale for spread in spreads)
