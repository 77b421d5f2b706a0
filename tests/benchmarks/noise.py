"""Noise of latencies: what is said of it, and what was measured; and how it is learnt from runs.

    python -m tests.benchmarks.noise RUN… > tests/benchmarks/noise.json

A model of noise gives the logarithms of the medians of some fresh processes of one cell whose true latency is 1.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.compare.pairing import Side, kept_file, side
from harness.metrics.latency import clean_median_ms
from harness.records import Record

Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]
FILE = Path(__file__).with_name("noise.json")
SPREAD, SPIKES = 0.02, 0.05
"""Spread of the clean median from process to process, and the share of processes that something else slowed down."""
SPIKE = (0.05, 0.30)
"""How much slower those are, share."""
GROUPS = ((1.0, "under 1 ms"), (10.0, "1 to 10 ms"), (float("inf"), "10 ms and more"))
FEWEST = 3
"""Processes that a cell needs for its spread to be learnt."""


def stated(random: np.random.Generator, processes: int) -> NDArray[np.float64]:
    """Return noise as this project's rules for measuring state it: 2 %, and spikes in 1 of 20."""
    spikes = np.log1p(random.uniform(*SPIKE, processes)) * (random.random(processes) < SPIKES)
    logs: NDArray[np.float64] = random.normal(0, SPREAD, processes) + spikes
    return logs


def measured() -> dict[str, Noise]:
    """Return noise as it was measured, drawn from what is in ``noise.json``, for cells of three speeds."""
    content = json.loads(FILE.read_text())
    return {name: _drawn(np.asarray(found)) for name, found in content["residuals"].items()}


def _drawn(pool: NDArray[np.float64]) -> Noise:
    return lambda random, processes: random.choice(pool, processes)


def learn(paths: Iterable[str]) -> dict[str, list[float]]:
    """Return by speed how far each process is from the mean of its cell, in logarithms."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in paths:
        runs = side("runs", path)
        for record in (one for records in runs.cells.values() for one in records if one.status == "ok"):
            medians = _medians(runs, record)
            if len(medians) >= FEWEST:
                logs = np.log(medians)
                wide = np.sqrt(len(logs) / (len(logs) - 1))  # a mean of few lies nearer to them than the truth does
                name = next(name for limit, name in GROUPS if np.median(medians) < limit)
                found[name] += [round(float(one), 4) for one in wide * (logs - logs.mean())]
    return {name: sorted(found[name]) for _, name in GROUPS}


def _medians(runs: Side, record: Record) -> list[float]:
    path = kept_file(runs, record, "samples")
    return [clean_median_ms(one) for one in json.loads(path.read_text())["rounds"]] if path else []


def main(paths: Sequence[str]) -> None:
    """Print what some runs teach."""
    about = "log(clean median of a process ÷ that of its cell), all cells of some runs with 3 processes, sorted"
    print(json.dumps({"about": about, "residuals": learn(paths)}))


if __name__ == "__main__":
    main(sys.argv[1:])
