"""The support matrix: model × (quantization, exporter), the worst verdict of all cells behind each entry."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.records import Cell
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, SYMBOLS, Shown, clip, one_line
from harness.tables.order import cell_key, column_key, model_key
from harness.tables.verdict import RANK, Judged, worst


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the matrix."""

    verdict: str
    """``clean``, ``degraded``, ``fails``, ``n/a``, or ``absent`` when the run has no such cell."""
    shown: Shown
    judged: tuple[Judged, ...] = ()
    """The cells behind it."""


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """All entries of one model."""

    label: str
    family: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The table as it is shown."""

    columns: tuple[tuple[str, str], ...]
    """(quantization, exporter)"""
    rows: tuple[MatrixRow, ...]
    refused: tuple[str, ...]
    """One line for each reason why some columns are n/a for every model; those columns are left out."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How rows are named: only what differs within the report is said."""

    tasks: bool
    toolchains: bool
    threads: bool

    def model(self, cell: Cell) -> str:
        """Return the name of a cell's model, with task and toolchain when there are several."""
        parts = [cell.model]
        parts += [cell.task] if self.tasks else []
        parts += [cell.toolchain] if self.toolchains else []
        return " · ".join(parts)

    def cell(self, cell: Cell) -> str:
        """Return the name of a cell, with its task when there are several."""
        return f"{cell.id} · {cell.task}" if self.tasks else cell.id

    def runtime(self, cell: Cell) -> str:
        """Return the name of a cell's runtime, with its threads when they differ."""
        return f"{cell.runtime} t{cell.threads}" if self.threads else cell.runtime


def labels(judged: Iterable[Judged]) -> Labels:
    """Return the labels that tell these cells apart."""
    cells = [j.record.cell for j in judged]
    return Labels(
        tasks=len({c.task for c in cells}) > 1,
        toolchains=len({c.toolchain for c in cells}) > 1,
        threads=len({c.threads for c in cells}) > 1,
    )


def matrix(judged: Sequence[Judged], names: Labels, notes: Notes) -> Matrix:
    """Return the support matrix; reasons for everything but a plain ✓ go to ``notes``."""
    refused = refused_columns(judged)
    columns = sorted({_column(j) for j in judged} - set(refused), key=lambda c: column_key(*c))
    rows: dict[str, dict[tuple[str, str], list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for j in sorted(judged, key=lambda j: model_key(j.record.cell)):
        rows[names.model(j.record.cell)][_column(j)].append(j)
    made = []
    for label, row in rows.items():
        family = next(iter(row.values()))[0].record.cell.family
        made.append(MatrixRow(label, family, tuple(entry(row[c], names, notes) for c in columns)))
    return Matrix(tuple(columns), tuple(made), _refusals(refused))


def refused_columns(judged: Sequence[Judged]) -> dict[tuple[str, str], str]:
    """Return (quantization, exporter) → reason where no model has anything but n/a; none when all are so."""
    columns: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for j in judged:
        columns[_column(j)].append(j)
    refused = {c: cells[0].verdict.text for c, cells in columns.items() if worst(cells) == "n/a"}
    return refused if len(refused) < len(columns) else {}


def _refusals(refused: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """Return one line for each reason; reasons that differ only in the name of the column are one."""
    quants: dict[tuple[str, str], list[str]] = defaultdict(list)
    for quant, export in sorted(refused, key=lambda c: column_key(*c)):
        why = clip(one_line(re.sub(rf"\b{re.escape(quant)}\b", "it", refused[quant, export])))
        quants[export, why].append(quant)
    return tuple(f"{export} × {', '.join(names)}: {why}" for (export, why), names in quants.items())


def _column(j: Judged) -> tuple[str, str]:
    return j.record.cell.quant, j.record.cell.export


def entry(judged: Sequence[Judged], names: Labels, notes: Notes) -> Entry:
    """Return one field for the cells behind it: their worst verdict and, unless all are clean, why.

    All of one quantization, which its note names: one bound missed by two of them is two things to know.
    """
    if not judged:
        return Entry("absent", Shown(NO_CELL, title="not part of the run"))
    verdict = worst(judged)
    why = reason(judged, names)
    note = notes.number(f"{judged[0].record.cell.quant}: {why}") if why else None
    return Entry(verdict, Shown(SYMBOLS[verdict], note, why or verdict), tuple(judged))


def reason(judged: Sequence[Judged], names: Labels) -> str:
    """Return why some cells are not all clean, worst first; runtimes are named when they differ."""
    texts: dict[str, list[Judged]] = defaultdict(list)
    for j in sorted(judged, key=lambda j: (-RANK.index(j.verdict.verdict), cell_key(j.record.cell))):
        texts["clean" if j.verdict.verdict == "clean" else j.verdict.text].append(j)
    if set(texts) == {"clean"}:
        return ""
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{_runtimes(cells, names)}: {text}" for text, cells in texts.items())


def _runtimes(judged: Iterable[Judged], names: Labels) -> str:
    return ", ".join(dict.fromkeys(names.runtime(j.record.cell) for j in judged))
