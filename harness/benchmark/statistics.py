"""The statistics that pytest-benchmark stores with a benchmark, by its own definitions (``pytest_benchmark.stats``)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

FENCE = 1.5
"""Tukey's: what is farther than so many interquartile ranges from the quartiles is an outlier."""


def stats(seconds: Sequence[float]) -> dict[str, Any]:
    """Return the block ``stats`` of some raw times, with the times themselves as ``data``.

    Raises:
        ValueError: no times.
    """
    if not seconds:
        raise ValueError("no times")
    data = sorted(seconds)
    mean, deviation = statistics.mean(data), statistics.stdev(data) if len(data) > 1 else 0
    low, high = quartiles(data)
    iqr = high - low
    within = [value for value in data if low - FENCE * iqr <= value <= high + FENCE * iqr]
    far = len(data) - sum(mean - deviation <= value <= mean + deviation for value in data)
    beyond = len(data) - len(within)
    total = sum(seconds)
    return {
        "min": data[0], "max": data[-1], "mean": mean, "stddev": deviation, "rounds": len(data),
        "median": statistics.median(data), "iqr": iqr, "q1": low, "q3": high,
        "iqr_outliers": beyond, "stddev_outliers": far, "outliers": f"{far};{beyond}",
        "ld15iqr": min(within, default=data[0]), "hd15iqr": max(within, default=data[-1]),
        "ops": len(data) / total if total else 0, "total": total,
        "data": list(seconds), "iterations": 1,
    }  # fmt: skip


def quartiles(data: Sequence[float]) -> tuple[float, float]:
    """Return first and third quartile of sorted values: halves' medians, for odd counts weighted (method 3)."""
    count = len(data)
    if count == 1:
        return data[0], data[0]
    if count % 2 == 0:
        return statistics.median(data[: count // 2]), statistics.median(data[count // 2 :])
    n = count // 4
    if count % 4 == 1:
        return 0.25 * data[n - 1] + 0.75 * data[n], 0.75 * data[3 * n] + 0.25 * data[3 * n + 1]
    return 0.75 * data[n] + 0.25 * data[n + 1], 0.25 * data[3 * n + 1] + 0.75 * data[3 * n + 2]
