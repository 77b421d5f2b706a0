"""A comparison on a terminal: lines of (text, style) parts."""

from __future__ import annotations

from collections.abc import Iterator

from harness.compare.comparison import Comparison
from harness.compare.findings import Grade
from harness.compare.render.words import MARKS, TITLES, headline, sections, shortened, sides

Line = list[tuple[str, str]]
_STYLES: dict[Grade, str] = {"regression": "bold red", "known": "yellow", "improvement": "green", "note": "dim"}


def show(comparison: Comparison) -> None:
    """Print what differs, worst first in each section, then what to know about it."""
    from harness.report.terminal import print_lines

    print_lines(lines(comparison))


def lines(comparison: Comparison) -> Iterator[Line]:
    """Return the lines; the last one is the outcome."""
    yield [(sides(comparison), "bold")]
    for section, found in sections(comparison):
        yield [(TITLES[section], "bold")]
        kept, more = shortened(found)
        for one in kept:
            yield [("  ", ""), (f"{MARKS[one.grade]} {one.cell}", _STYLES[one.grade]), ("  ", ""), (one.text, "")]
        if more:
            yield [(f"  {MARKS['known']} {more} more known issues", _STYLES["known"])]
    for text in comparison.remarks:
        yield [(f"note: {text}", "yellow")]
    yield [(headline(comparison), "bold red" if comparison.code else "bold green")]
