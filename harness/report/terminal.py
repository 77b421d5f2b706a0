"""A report on a terminal: the support matrix, then one row per artifact. Plain text when it is not a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report import versions_page
from harness.report.matrix import Matrix
from harness.report.shown import LEGEND, NO_CELL, SYMBOLS, Shown, one_line, superscript
from harness.report.summary import Summary, SummaryRow
from harness.report.versions import Versions, versions
from harness.report.view import View, view
from harness.tables.order import EXPORTS, place
from harness.tables.verdict import Thresholds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_STYLES = {"clean": "green", "degraded": "yellow", "fails": "bold red", "n/a": "dim", "absent": "dim"}
_ASCII = str.maketrans("✓✗–×≥≤÷·…⁰¹²³⁴⁵⁶⁷⁸⁹", "+x-x></,~0123456789")
_MOST_CHANGES = 40
"""Rows of one table of changes; the rest is in the file."""
_PLAIN_WIDTH = 140
"""Columns when the output is no terminal and nothing says how wide it is."""


def show(
    run_dirs: Iterable[str | Path],
    console: Console | None = None,
    verdict: str | Mapping[str, Any] | Thresholds = "default",
) -> None:
    """Print the tables of some runs. Raises ``UserError`` as ``tables.load`` does."""
    render(view(run_dirs, verdict), console or _console())


def render(report: View, console: Console) -> None:
    """Print a report: matrix, reasons, one row per artifact, and what to know about them."""
    say = _Printer(console)
    say.line(f"Compatibility {report.title}: {report.counted}", "bold")
    say.line(LEGEND, "dim")
    say.tables(say.matrices(report.matrix))
    say.numbered(report.matrix_notes, 1)
    for text in report.matrix.refused:
        say.line(f"{SYMBOLS['n/a']} for every model: {text}", "dim")
    console.print()
    say.tables(say.summaries(report.summary))
    say.numbered(report.summary_notes, len(report.matrix_notes) + 1)
    if (compared := versions(report)) is not None:
        console.print()
        say.versions(compared)
    for text in (*report.problems, *report.remarks):
        say.line(f"note: {text}", "yellow")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print one table of text; the first column to the right."""
    console = _console()
    say = _Printer(console)
    table = say.plain(head, rows)
    if title:
        say.line(title, "bold")
    console.print(table)


def print_lines(lines: Iterable[Sequence[tuple[str, str]]]) -> None:
    """Print lines of (text, style) parts; long ones are wrapped by the terminal, so that copying keeps them whole."""
    console = _console()
    say = _Printer(console)
    for parts in lines:
        line = say.text("")
        for text, style in parts:
            line.append_text(say.text(one_line(text) if text.strip() else text, style))
        console.print(line, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PLAIN_WIDTH
    return console


class _Printer:
    """Lays tables out for the width of one console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ascii = console.options.ascii_only

    def text(self, text: str, style: str = "") -> Text:
        """Return text without markup, in what the console's encoding has."""
        from rich.text import Text

        if self._ascii:
            text = text.translate(_ASCII).encode("ascii", "replace").decode()
        return Text(text, style)

    def line(self, text: str, style: str = "") -> None:
        """Print one line, wrapped at the width of the console."""
        self._console.print(self.text(one_line(text), style))

    def tables(self, tables: Sequence[Table]) -> None:
        """Print tables with a line between them."""
        for number, table in enumerate(tables):
            if number:
                self._console.print()
            self._console.print(table)

    def numbered(self, texts: Sequence[str], start: int) -> None:
        """Print the notes of a table."""
        for number, text in enumerate(texts, start):
            self.line(f"{superscript(number)} {text}")

    def matrices(self, matrix: Matrix) -> list[Table]:
        """Return the matrix as one table, or as one for each exporter when it is too wide."""
        whole = self._matrix(matrix)
        if self._fits(whole):
            return [whole]
        parts = []
        for _, group in groupby(range(len(matrix.columns)), key=lambda i: matrix.columns[i][1]):
            kept = list(group)
            rows = tuple(replace(r, entries=tuple(r.entries[i] for i in kept)) for r in matrix.rows)
            parts.append(self._matrix(replace(matrix, columns=tuple(matrix.columns[i] for i in kept), rows=rows)))
        return parts

    def _matrix(self, matrix: Matrix) -> Table:
        table = self._table("model")
        for quant, export in matrix.columns:
            table.add_column(self.text(f"{quant}\n{export}"), justify="center")
        for row in matrix.rows:
            marks = (self._mark(e.shown, e.verdict) for e in row.entries)
            table.add_row(self.text(row.label), *marks)
        return table

    def summaries(self, summary: Summary) -> list[Table]:
        """Return the summary as one table, or as one for each exporter when it is too wide."""
        whole = self._wide(summary)
        if self._fits(whole):
            return [whole]
        rows = sorted(summary.rows, key=lambda row: place(row.export, EXPORTS))
        groups = groupby(rows, key=lambda row: row.export)
        return [self._narrow(summary, export, list(group)) for export, group in groups]

    def _wide(self, summary: Summary) -> Table:
        table = self._table("model", "quant", "export", "")
        for column in summary.columns:
            table.add_column(self.text(f"{column.title}\n{column.unit}"), justify="right")
        last = ""
        for row in summary.rows:
            model = "" if row.model == last else row.model
            last = row.model
            head = (self.text(text) for text in (model, row.quant, row.export))
            table.add_row(*head, self._mark(row.entry.shown, row.entry.verdict), *map(self._value, row.values))
        return table

    def _narrow(self, summary: Summary, export: str, rows: Sequence[SummaryRow]) -> Table:
        """Return the rows of one exporter: a line for the model, its quantizations indented beneath it."""
        kept = [i for i in range(len(summary.columns)) if any(r.values[i].text != NO_CELL for r in rows)]
        table = self._table(export, "")
        for i in kept:
            column = summary.columns[i]
            title = f"{column.short or column.title}\n{column.unit}"
            table.add_column(self.text(title), justify="right", overflow="fold")
        for model, group in groupby(rows, key=lambda row: row.model):
            table.add_row(self.text(model, "bold"))
            for row in group:
                mark = self._mark(row.entry.shown, row.entry.verdict)
                table.add_row(self.text(f"  {row.quant}"), mark, *(self._value(row.values[i]) for i in kept))
        return table

    def plain(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
        """Return a table of text."""
        table = self._table(*head)
        for row in rows:
            table.add_row(*(self.text(one_line(text)) for text in row))
        return table

    def versions(self, found: Versions) -> None:
        """Print what changed between toolchains, not more than fits on a few screens."""
        self.line(f"Versions: {versions_page.counted(found)}", "bold")
        for text in found.absent:
            self.line(text, "dim")
        for title, changes in versions_page.sections(found):
            kept = changes[:_MOST_CHANGES]
            table = self._table(*versions_page.head(found, changes)[: -len(found.toolchains)])
            for name in found.toolchains:
                table.add_column(self.text(name), overflow="fold")
            for row in versions_page.rows(kept):
                table.add_row(*(self.text(one_line(text)) for text in row))
            self._console.print(table)
            if changes is found.states:
                self.numbered(found.notes, 1)
            if len(changes) > len(kept):
                self.line(f"{title}: {len(changes) - len(kept)} more in versions.md", "dim")

    def _table(self, *head: str) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for title in head:
            table.add_column(self.text(title), no_wrap=bool(title), overflow="fold")
        return table

    def _fits(self, table: Table) -> bool:
        unbounded = self._console.options.update(max_width=10_000)
        return self._console.measure(table, options=unbounded).maximum <= self._console.width

    def _mark(self, shown: Shown, verdict: str) -> Text:
        return self.text(shown.text + superscript(shown.note), _STYLES[verdict])

    def _value(self, shown: Shown) -> Text:
        absent = shown.text in (NO_CELL, "n/a")
        return self.text(shown.text + superscript(shown.note), "dim" if absent else "")
