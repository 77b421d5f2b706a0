"""Everything a report says, before it is Markdown, HTML or a terminal: a function of the records alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.report.environment import RunInfo, run_info
from harness.report.matrix import Labels, Matrix, labels, matrix
from harness.report.notes import Notes
from harness.report.remarks import remarks
from harness.report.shown import SYMBOLS, one_line, printable
from harness.report.summary import Summary, summary
from harness.tables.order import cell_key, natural
from harness.tables.read import read
from harness.tables.verdict import Judged, Thresholds, judge_all, thresholds

NAMED = 4
"""Runs that a title names one by one."""


@dataclass(frozen=True, slots=True)
class Failing:
    """One reason behind a ✗, with the cells that share it."""

    cells: tuple[str, ...]
    status: str
    stage: str
    reason: str
    error: str
    message: str
    log_tail: str
    reproduce: str
    """Command for the first of the cells."""


@dataclass(frozen=True, slots=True)
class View:
    """A report, ready to be laid out."""

    runs: tuple[RunInfo, ...]
    counts: tuple[tuple[str, str, int], ...]
    """(symbol, verdict, number of cells)"""
    matrix: Matrix
    matrix_notes: tuple[str, ...]
    """Numbered from 1."""
    summary: Summary
    summary_notes: tuple[str, ...]
    """Numbered on from the last of ``matrix_notes``."""
    remarks: tuple[str, ...]
    failing: tuple[Failing, ...]
    """In the order of the cells."""
    thresholds: Thresholds
    problems: tuple[str, ...]
    judged: tuple[Judged, ...]
    """Every record of every run."""
    folders: Mapping[str, Path]
    """Run → its folder."""
    names: Labels

    @property
    def title(self) -> str:
        """Return the names of the runs, of many how many there are."""
        names = [info.run for info in self.runs]
        return ", ".join(names) or "no run" if len(names) <= NAMED else f"{len(names)} runs, {names[0]} to {names[-1]}"

    @property
    def counted(self) -> str:
        """Return one line: how many cells have which verdict."""
        parts = [f"{symbol} {count} {name}" for symbol, name, count in self.counts]
        total = sum(count for _, _, count in self.counts)
        return f"{total} cells: " + ", ".join(parts) if parts else "no cells"


def view(run_dirs: Iterable[str | Path], verdict: str | Mapping[str, Any] | Thresholds = "default") -> View:
    """Return what there is to say of some runs. Raises ``UserError`` as ``tables.load`` does.

    When two runs hold the same cell, matrix, summary and plots show the one that started last.
    """
    reading = read(*run_dirs)
    limits = thresholds(verdict)
    judged = judge_all(reading.records, limits)
    shown, names, notes = newest(judged), labels(judged), Notes()
    made = matrix(shown, names, notes)
    in_matrix = len(notes.texts)
    rows = summary(shown, names, notes)
    counts = Counter[str](j.verdict.verdict for j in shown)
    by_run = defaultdict(list)
    for r in reading.records:
        by_run[r.run].append(r)
    runs = tuple(run_info(run, reading.sources[run], by_run[run]) for run in sorted(by_run, key=natural))
    return View(
        runs=runs,
        counts=tuple((SYMBOLS[name], name, counts[name]) for name in SYMBOLS if counts[name]),
        matrix=made,
        matrix_notes=tuple(notes.texts[:in_matrix]),
        summary=rows,
        summary_notes=tuple(notes.texts[in_matrix:]),
        remarks=(*unfinished(runs), *_replaced(judged, shown), *remarks(shown, names)),
        failing=_failing(shown, names),
        thresholds=limits,
        problems=reading.problems,
        judged=tuple(judged),
        folders=reading.sources,
        names=names,
    )


def newest(judged: Sequence[Judged]) -> list[Judged]:
    """Return one record of each cell: of several runs the one that started last."""
    found: dict[tuple[str, str], Judged] = {}
    for j in sorted(judged, key=lambda j: (j.record.started_at, j.record.run)):
        found[j.record.cell.task, j.record.cell.id] = j
    return sorted(found.values(), key=lambda j: cell_key(j.record.cell))


def unfinished(runs: Iterable[RunInfo]) -> list[str]:
    """Return the line that says which runs lack cells of their plan; nothing when none does."""
    found = [f"{one.run} ({one.cells} of {one.cells + one.missing} cells)" for one in runs if one.missing]
    return [f"not finished, so cells are missing: {', '.join(found)}."] if found else []


def _replaced(judged: Sequence[Judged], shown: Sequence[Judged]) -> list[str]:
    older = len(judged) - len(shown)
    text = f"{older} cells are in more than one run: all but the table of all cells show the newest of each."
    return [text] if older else []


def _failing(judged: Iterable[Judged], names: Labels) -> tuple[Failing, ...]:
    """Return the failures, those of one artifact with one cause together."""
    groups: dict[tuple[object, ...], list[Judged]] = defaultdict(list)
    for j in judged:
        if j.verdict.verdict == "fails":
            cell = j.record.cell
            artifact = (j.record.run, cell.task, cell.model, cell.quant, cell.export, cell.toolchain)
            groups[(*artifact, j.verdict.text)].append(j)
    return tuple(_failure(group, names) for group in groups.values())


def _failure(group: Sequence[Judged], names: Labels) -> Failing:
    record = group[0].record
    failure = record.failure
    return Failing(
        cells=tuple(names.cell(j.record.cell) for j in group),
        status=record.status,
        stage=failure.stage if failure else record.stage,
        reason=failure.reason if failure else "no reason recorded",
        error=one_line(failure.error) if failure else "n/a",
        message=printable(failure.message).strip() if failure and failure.message.strip() else "no message",
        log_tail=printable(failure.log_tail).strip() if failure else "",
        reproduce=one_line(record.reproduce) or "no command recorded",
    )
