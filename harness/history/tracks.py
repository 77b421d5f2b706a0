"""Runs to tracks: a cell on an architecture, and its latencies, a series for each machine and environment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.compare.pairing import Side, run_file, side
from harness.compare.rounds import is_noisy, positive
from harness.records import Record
from harness.report.shown import clip, one_line
from harness.tables.read import RECORDS

_MEASURED = ("latency_p50_ms", "latency_mean_ms", "load_ms", "first_ms", "samples")
"""Two measurements never have all of them in common."""


@dataclass(frozen=True, slots=True)
class Point:
    """The latency of a cell in one run, ms."""

    run: str
    at: str
    """ISO 8601, UTC."""
    value: float
    low: float | None
    """95 % interval over processes; None with a single one."""
    high: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Latencies that can be compared: one cell, one fingerprint; oldest first."""

    label: str
    """That of its track; with the fingerprint when two machines of a kind measured it in the newest night."""
    fingerprint: str
    points: tuple[Point, ...]
    live: bool
    """The newest night is part of it, so that it is judged."""

    @property
    def values(self) -> list[float]:
        """The medians, ms."""
        return [point.value for point in self.points]


@dataclass(frozen=True, slots=True)
class Track:
    """One cell on one architecture."""

    label: str
    architecture: str
    records: tuple[Record, ...]
    """One a run, oldest first."""
    series: tuple[Series, ...]
    live: bool
    """The cell is part of the newest night."""


def gathered(paths: Iterable[str | Path]) -> Side:
    """Return the records of runs, globs, and folders of runs. Raises ``UserError`` when there is none."""
    found: list[str | Path] = []
    for path in paths:
        inside = sorted(file.parent for file in Path(path).glob(f"*/{RECORDS}"))
        found += inside if inside and not (Path(path) / RECORDS).is_file() else [path]
    return side("history", *found)


def tracks(runs: Side, night_hours: float) -> tuple[Track, ...]:
    """Return a track for each cell and architecture, in the order of tables.

    The newest night of an architecture are its newest run and those that ended less than ``night_hours`` before it.
    """
    split: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    kinds = {run: _architecture(runs, run) for run in runs.runs}
    for (task, cell), records in runs.cells.items():
        for record in records:
            split[task, cell, kinds[record.run]].append(record)
    several = len({task for task, _, _ in split}) > 1, len({kind for _, _, kind in split}) > 1
    night = _night(runs, kinds, night_hours)
    return tuple(_track(_label(*key, *several), key[2], records, night) for key, records in split.items())


def _label(task: str, cell: str, kind: str, tasks: bool, kinds: bool) -> str:
    return (f"{task}: " if tasks else "") + cell + (f" on {kind or 'an unknown machine'}" if kinds else "")


def _architecture(runs: Side, run: str) -> str:
    """Return what a run says of its processor's kind; empty when it does not."""
    found = run_file(runs, run, "environment.json").get("machine")
    return clip(one_line(found), 40) if isinstance(found, str) else ""


def _night(runs: Side, kinds: Mapping[str, str], hours: float) -> frozenset[str]:
    """Return the runs of the newest night, of all architectures."""
    ended: dict[str, str] = {}
    for record in (one for records in runs.cells.values() for one in records):
        ended[record.run] = max(ended.get(record.run, ""), record.started_at)
    newest: dict[str, str] = {}
    for run, at in ended.items():
        newest[kinds[run]] = max(newest.get(kinds[run], ""), at)
    return frozenset(run for run, at in ended.items() if _within(at, newest[kinds[run]], hours))


def _within(at: str, newest: str, hours: float) -> bool:
    if at == newest:
        return True
    first, last = moment(at), moment(newest)
    return first is not None and last is not None and last - first < timedelta(hours=hours)


def moment(text: str) -> datetime | None:
    """Return an ISO 8601 time, UTC when it names no zone; None when it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _track(label: str, kind: str, records: Sequence[Record], night: frozenset[str]) -> Track:
    by: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by[record.fingerprint].append(record)
    series = [made for name, of in by.items() if (made := _series(label, name, of, night)) is not None]
    if sum(one.live for one in series) > 1:
        series = [replace(one, label=f"{label} ({one.fingerprint})") for one in series]
    return Track(label, kind, tuple(records), tuple(series), records[-1].run in night)


def _series(label: str, fingerprint: str, records: Sequence[Record], night: frozenset[str]) -> Series | None:
    """Return the latencies of a cell in one environment, None without any.

    A measurement that was served from the cache in the runs after it is one point, and live with the last of them.
    """
    points: list[Point] = []
    last, taken = "", None
    for record in records:
        p50 = positive(record, "latency_p50_ms")
        if p50 is None or record.status != "ok" or is_noisy(record):
            continue
        before, taken = taken, tuple(record.values.get(name) for name in _MEASURED)
        if taken != before:
            low, high = positive(record, "latency_ci_low_ms"), positive(record, "latency_ci_high_ms")
            points.append(Point(record.run, record.started_at, p50, low, high))
        last = record.run
    live = last == records[-1].run and last in night
    return Series(label, fingerprint, tuple(points), live) if points else None
