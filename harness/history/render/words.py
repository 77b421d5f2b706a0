"""Words that all renderings share."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.findings import Finding, Section
from harness.compare.render.words import counted, sectioned
from harness.history.chronicle import Chronicle


def headline(history: Chronicle) -> str:
    """Return the outcome in one line."""
    live = sum(track.live for track in history.tracks)
    cells = "1 cell" if live == 1 else f"{live} cells"
    return f"{cells} in the newest night: {counted(history.findings) or 'nothing stands out'}"


def span(history: Chronicle) -> str:
    """Return what was looked at."""
    runs = history.runs.runs
    first = min(record.started_at for track in history.tracks for record in track.records)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{count}, {first[:10]} … {history.newest[:10]}, the newest {runs[-1]}"


def sections(history: Chronicle) -> Iterator[tuple[Section, tuple[Finding, ...]]]:
    """Return the sections that have something to say, those with a regression first; as ``compare`` sums them."""
    yield from sectioned(history.findings)
