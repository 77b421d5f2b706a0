"""The comparison of toolchains as Markdown, and as tables of text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.changes import EXPLAINED, Change
from harness.report.markdown import escape, numbered, table
from harness.report.shown import Shown, superscript
from harness.report.versions import Versions

HEAD = ("model", "quant", "export", "runtime")


def page(found: Versions) -> str:
    """Return the whole page."""
    parts = ["# What changed between versions", EXPLAINED, escape(counted(found)), *map(escape, found.absent)]
    parts += [_table(["package", *found.toolchains], found.packages)] if found.packages else []
    for title, changes in sections(found):
        parts += [f"## {title}", _table(head(found, changes), rows(changes))]
        if changes is found.states:
            parts.append(numbered(found.notes))
    return "\n\n".join([part for part in parts if part] + [""])


def counted(found: Versions) -> str:
    """Return one line: how much is the same."""
    names = ", ".join(found.toolchains)
    return f"Cells under {names}: {found.cells}; the same in everything: {found.same}; not: {found.cells - found.same}."


def sections(found: Versions) -> list[tuple[str, Sequence[Change]]]:
    """Return the tables that there are, with their titles."""
    both = (("Another verdict, or another reason", found.states), ("What came out differently", found.numbers))
    return [(title, changes) for title, changes in both if changes]


def head(found: Versions, changes: Sequence[Change]) -> list[str]:
    """Return the titles of a table; what changed needs none where it is the verdict itself."""
    return [*HEAD, *([] if changes is found.states else ["what"]), *found.toolchains]


def rows(changes: Sequence[Change]) -> list[list[str]]:
    """Return the rows of a table as text."""
    return [
        [
            c.model,
            c.cell.quant,
            c.cell.export,
            c.runtime,
            *([] if c.what == "works" else [c.what]),
            *map(_text, c.values),
        ]
        for c in changes
    ]


def _text(value: Shown) -> str:
    return value.text + superscript(value.note)


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return table(
        [escape(t) for t in titles], ([escape(field) for field in line] for line in lines), ["---"] * len(titles)
    )
