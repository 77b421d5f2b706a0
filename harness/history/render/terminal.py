"""A history on a terminal: lines of (text, style) parts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.compare.findings import Grade
from harness.compare.render.words import MARKS, TITLES, shortened
from harness.history.chronicle import Chronicle
from harness.history.render.words import headline, sections, span

Line = list[tuple[str, str]]
_STYLES: dict[Grade, str] = {"regression": "bold red", "known": "yellow", "improvement": "green", "note": "dim"}


def show(history: Chronicle, now: datetime) -> None:
    """Print what stands out, worst first in each section, then what to know about it."""
    from harness.report.terminal import print_lines

    print_lines(lines(history, now))


def lines(history: Chronicle, now: datetime) -> Iterator[Line]:
    """Return the lines; the last one is the outcome."""
    yield [(span(history), "bold")]
    old = history.freshness(now)
    if old:
        yield [(f"old: {old}", "bold yellow")]
    for section, found in sections(history):
        yield [(TITLES[section], "bold")]
        kept, more = shortened(found)
        for one in kept:
            yield [("  ", ""), (f"{MARKS[one.grade]} {one.cell}", _STYLES[one.grade]), ("  ", ""), (one.text, "")]
        if more:
            yield [(f"  {MARKS['known']} {more} more known issues", _STYLES["known"])]
    for text in history.remarks:
        yield [(f"note: {text}", "yellow")]
    yield [(headline(history), "bold red" if history.code else "bold green")]
