"""What is said of latencies: the newest run that stands out, new levels, drift, and how little a series can show."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.findings import Finding, Grade
from harness.compare.latency import COMMON_CELLS
from harness.history.changes import Change, changes
from harness.history.drift import Drift, drift
from harness.history.level import Standing, standing
from harness.history.tracks import Series
from harness.report.shown import milliseconds, times
from harness.tables.watch import Watch

COLUMN = "latency_p50_ms"
UNSTEADY = 1.1
"""A series in which a run must be so many times the median to stand out is called unsteady."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A series and what was found in it."""

    series: Series
    standing: Standing | None
    """None when too few runs are before the newest."""
    changes: tuple[Change, ...]
    drift: Drift | None


def seen(series: Series, watch: Watch) -> Seen:
    """Look at one series."""
    values = series.values
    return Seen(series, standing(series.points, watch), changes(values, watch), drift(values, watch))


def findings(found: Iterable[Seen], watch: Watch) -> Iterator[Finding]:
    """Return a line for each series of the newest night that stands out, drifts or came to a new level lately."""
    for one in found:
        if not one.series.live:
            continue
        if one.standing is not None and one.standing.way:
            yield _stands_out(one.series, one.standing)
        if one.drift is not None:
            yield _drifts(one.series, one.drift)
        elif one.changes and one.changes[-1].index >= len(one.series.points) - watch.window:
            yield _changed(one.series, one.changes[-1])


def _stands_out(series: Series, how: Standing) -> Finding:
    grade: Grade = "regression" if how.way > 0 else "improvement"
    last = series.points[-1]
    evidence = f"{how.row} runs in a row" if how.row > 1 else "by all of its processes" if last.low else "by one run"
    text = (
        f"{milliseconds(how.level.median)} → {milliseconds(last.value)} ms ({times(how.ratio)}) against the median of "
        f"{how.level.runs} runs before; stands out from {times(_from(how))} on, {evidence}"
    )
    return Finding("latency", grade, series.label, COLUMN, text, how.level.median, last.value, how.ratio)


def _from(how: Standing) -> float:
    return how.level.factor if how.way > 0 else 1 / how.level.factor


def _drifts(series: Series, found: Drift) -> Finding:
    word = "slower" if found.ratio > 1 else "faster"
    text = f"gets {word} little by little: {times(found.ratio)} over {found.runs} runs (Mann–Kendall p = {found.p:.1g})"
    return Finding("latency", "note", series.label, "drift", text, effect=found.ratio, p=found.p)


def _changed(series: Series, found: Change) -> Finding:
    point = series.points[found.index]
    text = (
        f"another level since {point.run}: {milliseconds(found.before)} → {milliseconds(found.after)} ms "
        f"({times(found.ratio)})"
    )
    return Finding("latency", "note", series.label, "change_point", text, found.before, found.after, found.ratio)


def remarks(found: Sequence[Seen], watch: Watch) -> Iterator[str]:
    """Say what the series have in common, and what they cannot show."""
    live = [one for one in found if one.series.live]
    judged = [one.standing for one in live if one.standing is not None]
    young = len(live) - len(judged)
    if young:
        yield f"latency of {young} series is not judged: fewer than {watch.fewest} runs before the newest"
    unsteady = [one.level.factor for one in judged if one.level.factor > UNSTEADY]
    if unsteady:
        yield (
            f"latency of {len(unsteady)} of {len(judged)} series is so unsteady that less than {times(UNSTEADY)} does "
            f"not stand out (the worst: {times(max(unsteady))})"
        )
    yield from _together(live, watch)


def _together(live: Sequence[Seen], watch: Watch) -> Iterator[str]:
    """Say that a whole machine moved."""
    ratios: dict[str, list[float]] = defaultdict(list)
    for one in live:
        if one.standing is not None:
            ratios[one.series.fingerprint].append(one.standing.ratio)
    for name, group in ratios.items():
        middle = float(np.median(group))
        if len(group) >= COMMON_CELLS and abs(math.log(middle)) > math.log1p(watch.latency) / 2:
            word = "slower" if middle > 1 else "faster"
            yield (
                f"all {len(group)} series of the machine {name} together got {word} ({times(middle)} in the middle): "
                "look at the machine first"
            )
