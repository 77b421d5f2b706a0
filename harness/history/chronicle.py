"""The whole history: runs read, split into tracks and series, and looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.compare import findings
from harness.compare import known as expected
from harness.compare.findings import Finding
from harness.compare.machines import difference
from harness.compare.pairing import Pair, Side, run_file
from harness.compare.rounds import is_noisy
from harness.history import facts, latency
from harness.history.tracks import Track, gathered, moment, tracks
from harness.known_issues import KnownIssue
from harness.tables.verdict import Thresholds


@dataclass(frozen=True, slots=True)
class Chronicle:
    """What came out."""

    runs: Side
    tracks: tuple[Track, ...]
    seen: tuple[latency.Seen, ...]
    """The series of latencies, in the order of the tracks."""
    findings: tuple[Finding, ...]
    """By section, then by weight; of the newest night alone."""
    remarks: tuple[str, ...]
    """What to know before believing it."""
    newest: str
    """When the last cell of the newest run was begun, ISO 8601."""
    thresholds: Thresholds

    @property
    def regressions(self) -> tuple[Finding, ...]:
        """The findings that stop a build."""
        return tuple(one for one in self.findings if one.grade == "regression")

    @property
    def code(self) -> int:
        """Exit code: 1 when the newest night stands out for the worse, else 0."""
        return 1 if self.regressions else 0

    def freshness(self, now: datetime) -> str | None:
        """Return a line when the newest run is old, None when it is not."""
        at = moment(self.newest)
        if at is None:
            return f"the newest run does not say when it was ('{self.newest}')"
        days = (now - at).total_seconds() / 86400
        if days < self.thresholds.history.stale_days:
            return None
        return f"the newest run is {days:.0f} days old ({at:%Y-%m-%d %H:%M} UTC): this is not the state of today"


def chronicle(
    paths: Iterable[str | Path], thresholds: Thresholds, issues: Mapping[str, KnownIssue] | None = None
) -> Chronicle:
    """Return the history of runs (folders, globs, folders of runs); ``issues``: failures that are expected.

    Raises ``UserError`` when there is no run.
    """
    return told(gathered(paths), thresholds, issues)


def told(runs: Side, thresholds: Thresholds, issues: Mapping[str, KnownIssue] | None = None) -> Chronicle:
    """Return the history of runs that are read already."""
    watch = thresholds.history
    made = tracks(runs, watch.night_hours)
    seen = tuple(latency.seen(series, watch) for track in made for series in track.series)
    known = list(facts.findings(made, runs, thresholds.compare, watch.window))
    awaited = list(expected.findings(_steps(made), runs, runs, issues or {}))
    settled = {one.cell for one in awaited if one.grade != "note"}
    said = {one.cell for one in known if one.section == "status"}
    found = [
        *(one for one in awaited if one.grade != "note" or one.cell not in said),
        *(one for one in known if not _unreadable(one) and not (one.section == "status" and one.cell in settled)),
        *latency.findings(seen, watch),
    ]
    remarks = (
        *runs.problems,
        *_unfinished(runs, made),
        *_absent(made),
        *_new_machines(runs, seen),
        *_noisy(made),
        *_unread(known),
        *latency.remarks(seen, watch),
    )
    newest = max(record.started_at for track in made for record in track.records)
    return Chronicle(runs, made, seen, tuple(sorted(found, key=findings.key)), remarks, newest, thresholds)


def _steps(made: Sequence[Track]) -> list[Pair]:
    """Return, for each cell of the newest night, its record and the one before it."""
    return [Pair(track.label, track.records[-2:-1], track.records[-1:]) for track in made if track.live]


def _unreadable(one: Finding) -> bool:
    return one.kind == "predictions"


def _unread(known: Sequence[Finding]) -> Iterator[str]:
    """Sum up the cells whose accuracy could not be compared: for all of them it is the same reason as a rule."""
    for text, count in Counter(one.text for one in known if _unreadable(one)).items():
        yield f"{count} cell{'s' if count > 1 else ''}: {text}"


def _night(made: Sequence[Track]) -> list[str]:
    return list(dict.fromkeys(track.records[-1].run for track in made if track.live))


def _unfinished(runs: Side, made: Sequence[Track]) -> Iterator[str]:
    for run in _night(made):
        if run_file(runs, run, "run.json").get("complete") is False:
            yield f"{run} is not finished, so cells may be missing"


def _absent(made: Sequence[Track]) -> Iterator[str]:
    gone = [track for track in made if not track.live]
    if gone:
        last = max(gone, key=lambda track: track.records[-1].started_at)
        yield (
            f"{len(gone)} of {len(made)} cells are not part of the newest night and not judged, such as {last.label} "
            f"(last in {last.records[-1].run})"
        )


def _noisy(made: Sequence[Track]) -> Iterator[str]:
    count = sum(track.live and is_noisy(track.records[-1]) for track in made)
    if count:
        yield f"latency of {count} cells of the newest night is not judged, for it was too noisy"


def _new_machines(runs: Side, seen: Sequence[latency.Seen]) -> Iterator[str]:
    """Say where latencies begin anew, because the newest night has another fingerprint than the one before it."""
    for run in dict.fromkeys(one.series.points[0].run for one in seen if one.series.live):
        fresh = [one for one in seen if one.series.live and one.series.points[0].run == run]
        older = [one for one in seen if not one.series.live and one.series.label in {f.series.label for f in fresh}]
        if not older or any(len(one.series.points) >= 2 for one in fresh):
            continue
        before = max(older, key=lambda one: one.series.points[-1].at).series.points[-1].run
        named = difference(*(run_file(runs, one, "environment.json") for one in (before, run)))
        yield f"latencies begin anew with {run}: another machine or environment" + (f" ({named})" if named else "")
