"""Latencies that stand out in the newest night measured again before they count: an earlier night in turn with it.

The base is a run that was as the runs before are: of those near their median the newest whose artifact the cache still
has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from harness.compare import again
from harness.compare.pairing import Side
from harness.compare.turns import Both, Measure, Tell, Turns, settled, suspects
from harness.history.chronicle import Chronicle
from harness.history.latency import Seen
from harness.history.level import Standing
from harness.history.tracks import Track
from harness.records import Record
from harness.tables.watch import Watch


def confirmed(
    found: Chronicle,
    plugins_dir: str | None = None,
    measure: Measure = again.measured,
    tell: Tell = lambda _: None,
) -> Chronicle:
    """Return the history with every latency that stands out as slower measured again.

    ``plugins_dir``: where runtimes of the user's own are; ``tell`` is given a line before each turn.
    """
    cells = dict(_both(found, suspects(found.findings)))
    how = Turns(found.thresholds.compare, plugins_dir, measure, tell)
    return replace(found, findings=settled(found.findings, cells, how)) if cells else found


def _both(found: Chronicle, slow: set[str]) -> Iterator[tuple[str, Both]]:
    seen = {one.series.label: one for one in found.seen if one.series.live}
    base, cand = (replace(found.runs, name=name) for name in ("run before", "newest run"))
    for track in found.tracks:
        for series in track.series:
            if series.live and series.label in slow:
                before = _before(track, seen[series.label], base, found.thresholds.history)
                yield series.label, Both((base, before), (cand, _record(track, series.points[-1].run)))


def _before(track: Track, one: Seen, base: Side, watch: Watch) -> Record:
    """Return the record to measure against: the first of the candidates that can be, else the first of them."""
    assert one.standing is not None
    runs = [_record(track, run) for run in _candidates(one, one.standing, watch)]
    return next((record for record in runs if _there(base, record)), runs[0])


def _candidates(one: Seen, standing: Standing, watch: Watch) -> Iterator[str]:
    """Return the runs that the newest is held against: the usual ones from the newest on, then the others."""
    points = one.series.points[: -standing.row][-watch.window :]
    apart = {point.run: abs(math.log(point.value / standing.level.median)) for point in points}
    near = [point.run for point in reversed(points) if apart[point.run] <= math.log1p(watch.latency) / 2]
    yield from near
    yield from sorted((run for run in apart if run not in near), key=apart.__getitem__)


def _there(base: Side, record: Record) -> bool:
    try:
        again.subject(base, record, {})
    except again.Gone:
        return False
    return True


def _record(track: Track, run: str) -> Record:
    return next(record for record in track.records if record.run == run)
