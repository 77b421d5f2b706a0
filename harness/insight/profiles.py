"""Time operator by operator: what a runtime's own profiler says of some runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One operator in one run."""

    run: int
    position: int
    """In the order of execution."""
    op: str
    name: str
    """Of the node, or what the profiler has instead."""
    inside: str
    """Delegate or execution provider that computes it; empty: the runtime's own kernels."""
    time_us: float


@dataclass(frozen=True, slots=True)
class OpTime:
    """One operator over all runs."""

    position: int
    op: str
    name: str
    inside: str
    median_us: float
    share: float
    """Of the sum of all medians."""


def summarize(events: Iterable[Event]) -> list[OpTime]:
    """Return a row for each operator, in the order of execution."""
    times: dict[tuple[int, str, str, str], list[float]] = {}
    for one in events:
        times.setdefault((one.position, one.op, one.name, one.inside), []).append(one.time_us)
    medians = {key: _median(values) for key, values in times.items()}
    total = sum(medians.values()) or 1.0
    return [OpTime(*key, median, median / total) for key, median in sorted(medians.items())]


def _median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
