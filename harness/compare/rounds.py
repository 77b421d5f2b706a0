"""The latency of one side of a cell: the clean median of each process, from the stored samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness import codec
from harness.compare.artifacts import number
from harness.compare.pairing import Side, kept_file
from harness.metrics.latency import clean_median_ms
from harness.metrics.statistics import bootstrap
from harness.records import Record


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a cell's latency on one side."""

    p50_ms: float
    medians_ms: tuple[float, ...]
    """One a process, over all runs of the side; empty when no samples are stored."""
    interval_ms: tuple[float, float] | None
    """95 % over processes; None with a single one."""


def measured(one: Side, records: tuple[Record, ...]) -> Measured | None:
    """Return the latency of a cell over the runs of a side; None when its newest record has none, or a noisy one.

    Only runs on the machine of the newest one count. The rounds of a measurement that was served from the cache stand
    in several runs, and count once.
    """
    newest = records[-1]
    p50 = positive(newest, "latency_p50_ms")
    if p50 is None or is_noisy(newest):
        return None
    same = [r for r in records if r.fingerprint == newest.fingerprint and r.status == "ok"]
    medians = tuple(dict.fromkeys(value for record in same for value in _medians(one, record)))
    if len(same) > 1 and len(medians) > 1:
        interval = bootstrap(medians, lambda drawn: np.median(drawn, axis=1))
        return Measured(float(np.median(medians)), medians, interval)
    low, high = positive(newest, "latency_ci_low_ms"), positive(newest, "latency_ci_high_ms")
    return Measured(p50, medians, None if low is None or high is None else (low, high))


def is_noisy(record: Record) -> bool:
    """Say whether too few runs of a cell went undisturbed for its latency to be believed."""
    return record.status == "noisy" or record.values.get("noisy") is True


def positive(record: Record, column: str) -> float | None:
    """Return a value of a record that is a number above zero, else None."""
    value = number(record, column)
    return None if value is None or value <= 0 else float(value)


def _medians(one: Side, record: Record) -> list[float]:
    """Return the clean median of each stored round, ms; none when the file is not there or is not what it should be."""
    try:
        found = [clean_median_ms(each) for each in stored(one, record)]
    except (KeyError, ValueError, TypeError):
        return []
    return found if all(math.isfinite(value) and value > 0 for value in found) else []


def stored(one: Side, record: Record) -> list[dict[str, object]]:
    """Return the rounds of a cell with their raw samples as they are stored; none when there is no such file."""
    path = kept_file(one, record, "samples")
    try:
        if path is None or path.stat().st_size > codec.MAX_BYTES:
            return []
        return codec.decode(path.read_bytes(), dict[str, list[dict[str, object]]])["rounds"]
    except (OSError, codec.CodecError, KeyError):
        return []
