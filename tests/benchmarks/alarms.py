"""How often the rules for a night cry for nothing, and how soon they find what got slower: simulated nights.

    python -m tests.benchmarks.alarms            # all of it, minutes; ``alarms.md`` holds its figures
    python -m tests.benchmarks.alarms --quick

Only the latencies are made up. What judges them is ``harness.history``, and what a second measurement says of them is
``harness.compare.confirm``, with the thresholds of ``conf/verdict/default.yaml``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.compare.latency import Step, moved
from harness.compare.rounds import Measured
from harness.compare.turns import again_slower
from harness.history.changes import changes
from harness.history.drift import drift
from harness.history.level import standing
from harness.history.tracks import Point
from harness.metrics.latency import Round
from harness.metrics.statistics import bootstrap
from harness.tables import thresholds
from tests.benchmarks import drops, noise
from tests.benchmarks.noise import Noise

LIMITS = thresholds("default")
WATCH = LIMITS.history
STEPS = (1.05, 1.1, 1.15, 1.2, 1.3)
SOON = 5
"""Nights within which a step is to be found."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Nights of a kind."""

    name: str
    noise: Noise
    processes: int
    """Fresh processes for each latency of a night: 1 is measure=quick, 3 is measure=full."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is simulated."""

    series: int
    nights: int
    steps: int
    """Series with a step, for each size of it."""


FULL = Effort(series=500, nights=60, steps=1000)
QUICK = Effort(series=50, nights=60, steps=60)


@dataclass(frozen=True, slots=True)
class Calm:
    """What was said of nights in which nothing changed."""

    nights: int
    """Series-nights that were judged."""
    alarms: int
    confirmed: int
    """Alarms that a second measurement confirmed."""
    night_over_night: int
    """Alarms of another rule, for comparison: 7 % more than the night before."""
    drifts: int
    changes: int

    def per_1000(self, count: int) -> float:
        """Return a count for each 1,000 series-nights."""
        return 1000 * count / self.nights


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of planted steps within ``SOON`` nights, shares of the series."""

    step: float
    alarmed: float
    confirmed: float
    nights: float
    """Median of the night of the first alarm, 1 for the first one."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What ``scripts/nightly.sh`` makes of nights: each against the last good one, and against those before it."""

    compare: float
    """Share of the steps of +10 % that the first finds within ``SOON`` nights, confirmed."""
    both: float
    """… that one of the two finds."""
    false: float
    """Alarms of either for 1,000 series-nights in which nothing changes, confirmed."""


def scenarios() -> list[Scenario]:
    """Return noise as stated and as measured, with one process a night and with three."""
    models = {"stated: 2 %, spikes in 1 of 20": noise.stated}
    models |= {f"measured, cells of {name}": model for name, model in noise.measured().items()}
    return [Scenario(name, model, processes) for name, model in models.items() for processes in (1, 3)]


def point(night: int, logs: NDArray[np.float64]) -> Point:
    """Return what a record says of some processes."""
    medians = np.exp(logs)
    low, high = interval(medians.tolist()) if len(medians) > 1 else (None, None)
    return Point(f"n{night}", "", float(np.median(medians)), low, high)


def interval(medians: Sequence[float]) -> tuple[float, float]:
    """Return the interval of a median over processes."""
    return bootstrap(medians, lambda drawn: np.median(drawn, axis=1), repeats=400)


def again(random: np.random.Generator, model: Noise, slower: float) -> bool:
    """Measure base and candidate in turn, as ``compare --confirm`` does; say whether it calls that a slow-down."""
    pairs = [(a_round(base), a_round(cand + np.log(slower))) for base, cand in zip(*_both(random, model), strict=True)]
    return again_slower(pairs, LIMITS.compare).slower


def _both(random: np.random.Generator, model: Noise) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return model(random, LIMITS.compare.confirm_pairs), model(random, LIMITS.compare.confirm_pairs)


def a_round(log: float) -> Round:
    """Return the samples of a process: one, undisturbed, of a latency of about 1 ms."""
    once = [round(1e6 * float(np.exp(log)))]
    return {"wall_ns": once, "cpu_ns": once}


def calm(one: Scenario, effort: Effort, seed: int = 0) -> Calm:
    """Judge every night of series in which nothing changes."""
    random, second = (np.random.default_rng([seed, part]) for part in (0, 1))
    nights = alarms = confirmed = naive = drifts = steps = 0
    for _ in range(effort.series):
        points = [point(night, one.noise(random, one.processes)) for night in range(effort.nights)]
        values = [each.value for each in points]
        for last in range(WATCH.fewest, effort.nights):
            how = standing(points[: last + 1], WATCH)
            assert how is not None
            nights += 1
            naive += values[last] > 1.07 * values[last - 1]
            drifts += drift(values[: last + 1], WATCH) is not None
            if how.way > 0:
                alarms += 1
                confirmed += again(second, one.noise, 1.0)
        steps += len(changes(values, WATCH))
    return Calm(nights, alarms, confirmed, naive, drifts, steps)


def stepped(one: Scenario, effort: Effort, step: float, seed: int = 1) -> Found:
    """Judge the first nights after a step; histories before it are of 10 to 60 nights."""
    random, second = (np.random.default_rng([seed, part]) for part in (0, 1))
    alarmed = confirmed = 0
    first: list[int] = []
    for _ in range(effort.steps):
        points = [point(n, one.noise(random, one.processes)) for n in range(int(random.integers(10, 61)))]
        told = _told(one, points, step, random)
        alarmed += any(told)
        confirmed += any(alarm and again(second, one.noise, step) for alarm in told)
        first += [told.index(True) + 1] if any(told) else []
    return Found(step, alarmed / effort.steps, confirmed / effort.steps, float(np.median(first)) if first else np.nan)


def _told(one: Scenario, points: Sequence[Point], step: float, random: np.random.Generator) -> list[bool]:
    """Return whether each night after a step alarms."""
    points, told = list(points), []
    for _ in range(SOON):
        points.append(point(len(points), one.noise(random, one.processes) + np.log(step)))
        how = standing(points, WATCH)
        told.append(how is not None and how.way > 0)
    return told


def gate(one: Scenario, effort: Effort, seed: int = 2) -> Gate:
    """Judge nights as the nightly script does: what it lets pass is what the next night is held against."""
    random, second = (np.random.default_rng([seed, part]) for part in (0, 1))
    nights = false = 0
    found = {"compare": 0, "both": 0}
    for _ in range(effort.steps):
        before = [one.noise(random, one.processes) for _ in range(int(random.integers(10, 61)))]
        after = [one.noise(random, one.processes) + np.log(1.1) for _ in range(SOON)]
        for name in found:
            found[name] += any(_stopped(before, after, one, second, history=name == "both"))
        quiet = [one.noise(random, one.processes) for _ in range(SOON)]
        false += sum(_stopped(before, quiet, one, second, history=True, step=1.0))
        nights += SOON
    return Gate(found["compare"] / effort.steps, found["both"] / effort.steps, 1000 * false / nights)


def _stopped(
    before: Sequence[NDArray[np.float64]],
    after: Sequence[NDArray[np.float64]],
    one: Scenario,
    second: np.random.Generator,
    *,
    history: bool,
    step: float = 1.1,
) -> list[bool]:
    """Return whether each night after a step is stopped; one that is not becomes the base."""
    points = [point(night, logs) for night, logs in enumerate(before)]
    base, level, told = before[-1], 1.0, []
    for logs in after:
        points.append(point(len(points), logs))
        how = standing(points, WATCH) if history else None
        stopped = moved(Step("", _measured(base), _measured(logs)), LIMITS.compare) and _slower(base, logs)
        stopped = stopped and again(second, one.noise, step / level)
        stopped = stopped or (how is not None and how.way > 0 and again(second, one.noise, step))
        told.append(stopped)
        if not stopped:
            base, level = logs, step
    return told


def _measured(logs: NDArray[np.float64]) -> Measured:
    medians = np.exp(logs)
    return Measured(float(np.median(medians)), tuple(medians), interval(medians.tolist()) if len(medians) > 1 else None)


def _slower(base: NDArray[np.float64], cand: NDArray[np.float64]) -> bool:
    return float(np.median(cand)) > float(np.median(base))


def page(effort: Effort, folder: Path) -> str:
    """Return all figures as Markdown; ``folder`` is for predictions that are made on the way."""
    looked = [(one, calm(one, effort), [stepped(one, effort, step) for step in STEPS]) for one in scenarios()]
    churn = ", ".join(f"{drops.detectable(won):.1f} points ({100 * won:g} % won besides)" for won in (0, 0.005, 0.01))
    return "\n".join(
        [
            f"{effort.series} series of {effort.nights} nights in which nothing changes, for 1,000 series-nights:",
            "",
            "| noise | processes | false alarms | … confirmed | 7 % night over night | drifts | change points |",
            "|---" * 7 + "|",
            *(_calm_row(one, of) for one, of, _ in looked),
            "",
            f"{effort.steps} steps of each size, found within {SOON} nights, % (confirmed by a second measurement, %):",
            "",
            "| noise | processes | "
            + " | ".join(f"+{100 * step - 100:.0f} %" for step in STEPS)
            + " | nights until +10 % is found |",
            "|---" * (3 + len(STEPS)) + "|",
            *(_step_row(one, of) for one, _, of in looked),
            "",
            "The gate of a night (`scripts/nightly.sh`), all confirmed by a second measurement; what it lets pass is",
            f"what the next is held against. Steps of +10 % found within {SOON} nights, %, and false alarms in 1,000",
            "series-nights:",
            "",
            "| noise | processes | last good night alone | and the nights before | false alarms |",
            "|---" * 5 + "|",
            *(_gate_row(one, gate(one, effort)) for one in scenarios()),
            "",
            f"Losses of accuracy on {drops.IMAGES} images, each image lost or won by itself. "
            + "Share of 1 that is *found* in simulated predictions,",
            f"and that the exact test finds as *computed*, alone and when {drops.CELLS} cells of a comparison changed",
            "as much; *together*: that all of them did is found, where they have lost and won the same images:",
            "",
            *drops.rows(folder, effort.steps),
            "",
            f"Found in 95 of 100 cases: a loss of {churn}.",
        ]
    )


def _calm_row(one: Scenario, of: Calm) -> str:
    counts = (of.alarms, of.confirmed, of.night_over_night, of.drifts, of.changes)
    return f"| {one.name} | {one.processes} | " + " | ".join(f"{of.per_1000(n):.2f}" for n in counts) + " |"


def _step_row(one: Scenario, of: Sequence[Found]) -> str:
    shares = " | ".join(f"{100 * each.alarmed:.1f} ({100 * each.confirmed:.1f})" for each in of)
    return f"| {one.name} | {one.processes} | {shares} | {of[STEPS.index(1.1)].nights:.0f} |"


def _gate_row(one: Scenario, of: Gate) -> str:
    shares = f"{100 * of.compare:.1f} | {100 * of.both:.1f}"
    return f"| {one.name} | {one.processes} | {shares} | {of.false:.2f} |"


def main() -> None:
    """Print all figures."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--quick", action="store_true", help="fewer series")
    effort = QUICK if words.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        print(page(effort, Path(folder)))


if __name__ == "__main__":
    main()
