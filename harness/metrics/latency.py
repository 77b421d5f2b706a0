"""Latency: the timed loop, and what is said of the raw times of several fresh processes.

All columns are of *clean* samples: those whose wall time is at most 1.03 × the CPU time they took, so that
the processor was theirs all along. Raw times are kept in the record, so all of it can be computed again.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.metrics.statistics import bootstrap, bootstrap_medians, mad, trend
from harness.records import Value

UNITS: dict[str, str] = {
    "latency_min_ms": "ms",
    "latency_p50_ms": "ms",
    "latency_mad_ms": "ms",
    "latency_mean_ms": "ms",
    "latency_p90_ms": "ms",
    "latency_p99_ms": "ms",
    "latency_ci_low_ms": "ms",
    "latency_ci_high_ms": "ms",
    "latency_basis": "clean | all",
    "clean_fraction": "fraction",
    "samples": "count",
    "processes": "count",
    "load_ms": "ms",
    "first_ms": "ms",
    "unsteady": "bool",
    "noisy": "bool",
}

CLEAN = 1.03
"""Largest wall time over CPU time of a clean sample."""
NOISY_BELOW = 0.5
"""Share of clean samples below which a measurement is noisy."""
P90_SAMPLES, P90_SECONDS, P99_SAMPLES = 64, 1.0, 662
"""MLPerf's floors for a percentile."""
DRIFT_EFFECT, DRIFT_Z = 0.03, 3.0
"""A process is unsteady when its first and last third differ by this share *and* the trend is significant."""
_FEWEST = 3
"""Clean samples that a process needs to have a clean median."""

Round = Mapping[str, Any]
"""``details`` of one latency job: ``wall_ns``, ``cpu_ns`` (or None), ``load_ms``, ``first_ms``."""
Clock = Callable[[], int]
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to warm up and to measure; the fields of ``conf/measure`` that matter here."""

    min_samples: int
    min_seconds: float
    max_samples: int
    cap_seconds: float
    warmup_runs: int
    warmup_seconds: float
    warmup_cap_s: float


def warm_up(invoke: Callable[[], object], effort: Effort, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Run until both floors of ``effort`` or its cap are reached; return the wall times, ns. A fixed amount:
    never "until it looks stable"."""
    times: list[int] = []
    total = 0
    while len(times) < effort.warmup_runs or total < effort.warmup_seconds * 1e9:
        start = clock()
        invoke()
        times.append(clock() - start)
        total += times[-1]
        if total >= effort.warmup_cap_s * 1e9:
            break
    return times


def timed_loop(
    invoke: Callable[[], object],
    effort: Effort,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
) -> tuple[list[int], list[int]]:
    """Return (wall times, CPU times) of single runs, ns, with the garbage collector off.

    Ends when both floors are reached, at ``cap_seconds`` (with 3 samples or more), or at ``max_samples``.
    The CPU clock is read outside the wall clock, so that reading it is not part of a sample.
    """
    wall_ns, cpu_ns = [0] * effort.max_samples, [0] * effort.max_samples
    floor, cap = int(effort.min_seconds * 1e9), int(effort.cap_seconds * 1e9)
    needed, count, total = effort.min_samples, 0, 0
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        while count < effort.max_samples:
            cpu_start = cpu()
            start = wall()
            invoke()
            end = wall()
            cpu_ns[count] = cpu() - cpu_start
            wall_ns[count] = end - start
            total += end - start
            count += 1
            if (total >= floor and count >= needed) or (total >= cap and count >= _FEWEST):
                break
    finally:
        if was_enabled:
            gc.enable()
    return wall_ns[:count], cpu_ns[:count]


def summarize(rounds: Sequence[Round]) -> tuple[dict[str, Value], dict[str, str]]:
    """Return (column → value, column → why it has none) for the rounds of one cell, a fresh process each.

    Without a process that has 3 clean samples all samples count, and ``latency_basis`` says ``all``.

    Raises:
        ValueError: no rounds.
    """
    if not rounds:
        raise ValueError("no rounds")
    walls = [_wall_ms(one) for one in rounds]
    basis, kept = samples_ms(rounds)
    values: dict[str, Value] = {
        "latency_basis": basis,
        "samples": sum(map(len, walls)),
        "processes": len(rounds),
        "load_ms": float(np.median([one["load_ms"] for one in rounds])),
        "first_ms": float(np.median([one["first_ms"] for one in rounds])),
        "unsteady": any(_drifts(group) for group in kept),
    }
    found, missing = _describe(kept)
    if any(one["cpu_ns"] is None for one in rounds):
        reason = "this kernel does not count how long threads wait for a processor"
        return values | found, missing | dict.fromkeys(("clean_fraction", "noisy"), reason)
    fraction = sum(int(_clean(one).sum()) for one in rounds) / sum(map(len, walls))
    return values | found | {"clean_fraction": fraction, "noisy": fraction < NOISY_BELOW}, missing


def samples_ms(rounds: Sequence[Round]) -> tuple[Literal["clean", "all"], list[NDArray[np.float64]]]:
    """Return the samples that count, ms, an array for each process that has enough of them, and which those are."""
    walls = [_wall_ms(one) for one in rounds]
    cleans = [wall[_clean(one)] for wall, one in zip(walls, rounds, strict=True)]
    kept = [clean for clean in cleans if len(clean) >= _FEWEST]
    return ("clean", kept) if kept else ("all", walls)


def _wall_ms(one: Round) -> NDArray[np.float64]:
    return np.asarray(one["wall_ns"], np.float64) / 1e6


def _clean(one: Round) -> NDArray[np.bool_]:
    wall = np.asarray(one["wall_ns"], np.float64)
    cpu = one["cpu_ns"]
    clean: NDArray[np.bool_] = np.zeros(len(wall), np.bool_) if cpu is None else wall <= CLEAN * np.asarray(cpu)
    return clean


def _describe(groups: Sequence[NDArray[np.float64]]) -> tuple[dict[str, Value], dict[str, str]]:
    """Describe samples in ms, an array for each process."""
    pooled = np.concatenate(list(groups))
    values: dict[str, Value] = {
        "latency_min_ms": float(pooled.min()),
        "latency_p50_ms": float(np.median([np.median(group) for group in groups])),
        "latency_mad_ms": mad(pooled),
        "latency_mean_ms": float(pooled.mean()),
    }
    missing: dict[str, str] = {}
    seconds = float(pooled.sum()) / 1000
    for name, percent, floor in (("p90", 90, P90_SAMPLES), ("p99", 99, P99_SAMPLES)):
        if len(pooled) >= floor and seconds >= P90_SECONDS:
            values[f"latency_{name}_ms"] = float(np.percentile(pooled, percent))
        else:
            missing[f"latency_{name}_ms"] = (
                f"{len(pooled)} samples in {seconds:.2f} s; {name} needs {floor} and {P90_SECONDS:g} s"
            )
    if len(groups) > 1:
        values["latency_ci_low_ms"], values["latency_ci_high_ms"] = bootstrap_medians(groups)
    else:
        missing |= dict.fromkeys(
            ("latency_ci_low_ms", "latency_ci_high_ms"), "one process only; the interval is over processes"
        )
    return values, missing


def _drifts(samples: NDArray[np.float64]) -> bool:
    """Say whether a process got faster or slower while it was measured."""
    third = len(samples) // 3
    if third < 5:
        return False
    first, last = np.median(samples[:third]), np.median(samples[-third:])
    return bool(abs(last / first - 1) >= DRIFT_EFFECT and abs(trend(samples)[1]) >= DRIFT_Z)


def clean_median_ms(one: Round) -> float:
    """Return the median of the clean samples of a round, of all when fewer than 3 are clean; ms."""
    wall = _wall_ms(one)
    clean = wall[_clean(one)]
    return float(np.median(clean if len(clean) >= _FEWEST else wall))


def paired_ratio(first: Sequence[Round], second: Sequence[Round]) -> tuple[float, float | None, float | None]:
    """Return (median of first ÷ second over pairs of rounds, low, high): the 95 % interval over pairs.

    Round i of both was measured one after the other, so that slow changes of the machine cancel out.
    Bounds are None with fewer than 2 pairs.

    Raises:
        ValueError: not as many rounds on both sides, or none.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} rounds against {len(second)}")
    ratios = [clean_median_ms(a) / clean_median_ms(b) for a, b in zip(first, second, strict=True)]
    middle = float(np.median(ratios))
    if len(ratios) < 2:
        return middle, None, None
    low, high = bootstrap(ratios, lambda drawn: np.median(drawn, axis=1))
    return middle, low, high
