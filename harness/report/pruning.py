"""What pruning bought: original, pruned, pruned and quantized side by side, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from harness.records import Cell, Record
from harness.report import old_pruning
from harness.report.claims import old_table
from harness.report.markdown import escape, numbered, table
from harness.report.matrix import Labels, labels
from harness.report.notes import Notes
from harness.report.shown import INTERVAL, NO_CELL, NO_VALUE, SYMBOLS, Shown, clip, number, one_line, superscript
from harness.tables.verdict import Judged

HEAD = (
    "model", "task", "variant", "runtime", "verdict", "latency ms", "latency ÷", "interval", "latency ÷ claimed",
    "size MB", "size ÷", "size ÷ claimed", "gzip MB", "gzip ÷", "top-1 %", "drop, points", "p", "cosine", "zeros asked",
    "zeros trained", "by kernel, trained", "zeros in the file", "by kernel, in the file", "DENSIFY ops",
)  # fmt: skip
EXPLAINED = """\
Latency is the median of clean runs. *÷*: divided by the original's; of latency paired (measured in the same rounds),
below 1 is faster. {interval}
*claimed*: by the table typed by hand, and whether it holds: within 2 % of what was measured, and undecided where 1 is
as near (`old-table.md` has the likely causes). *zeros*: share of exact zeros, asked for and
trained in the kernels that are pruned, found in those of all convolutions and dense layers of the file; *by kernel*
the least and the most, of kernels with at least 1 % zeros. *drop*, *p* (McNemar's exact test on the same images),
*cosine*: against the float Keras model before pruning. *DENSIFY ops*: operators that unpack sparse weights when the
file is loaded. Columns without a value are left out. Any row again: `python -m harness repro RUN
MODEL/VARIANT/tflite/RUNTIME` (of the original the variant is `none`)."""
FLOAT = "none"
Cells = dict[Cell, Record]


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all models with a pruned variant, None when there is none."""
    models = {_net(j.record) for j in judged if _is_pruned(j.record)}
    rows = [j for j in judged if _net(j.record) in models and _is_shown(j.record)]
    if not rows:
        return None
    cells, notes = {j.record.cell: j.record for j in rows}, Notes()
    names = replace(labels(judged), tasks=False)
    lines = [[escape(one.text) + superscript(one.note) for one in _row(j, cells, names, notes)] for j in rows]
    kept = [n for n in range(len(HEAD)) if any(line[n] != NO_CELL for line in lines)]
    head, align = [HEAD[n] for n in kept], ["---" if n < 4 else "--:" for n in kept]
    made = table(head, ([line[n] for n in kept] for line in lines), align)
    parts = ["# Pruning", EXPLAINED.format(interval=INTERVAL), made, *([numbered(notes.texts)] if notes.texts else [])]
    return "\n\n".join([*parts, ""])


def _net(record: Record) -> tuple[str, str, str]:
    """Return what a pruned variant and its original have in common."""
    return record.cell.model, record.cell.task, record.cell.toolchain


def _is_pruned(record: Record) -> bool:
    options = record.options.get("quant")
    return isinstance(options, dict) and options.get("method") == "prune"


def _is_shown(record: Record) -> bool:
    return record.cell.export == "tflite" and (_is_pruned(record) or record.cell.quant in (FLOAT, "int8", "qat"))


def _row(j: Judged, cells: Cells, names: Labels, notes: Notes) -> list[Shown]:
    record, cell = j.record, j.record.cell
    row = _Row(j, cells.get(replace(cell, quant=FLOAT)), notes)
    original = cell.quant == FLOAT
    return [
        Shown(names.model(cell)),
        Shown(cell.task),
        Shown("original" if original else cell.quant),
        Shown(names.runtime(cell)),
        Shown(SYMBOLS[j.verdict.verdict], None if j.verdict.verdict == "clean" else notes.number(j.verdict.text)),
        row.number("latency_p50_ms", 3),
        Shown("1") if original else row.latency_ratio(),
        Shown(NO_CELL) if original else row.interval(),
        row.claimed("latency"),
        row.number("size_bytes", 3, 1e-6),
        row.ratio("size_bytes"),
        row.claimed("size"),
        row.number("gzip_bytes", 3, 1e-6),
        row.ratio("gzip_bytes"),
        row.number("top1", 1, 100),
        row.number("top1_drop", 1, 100),
        row.number("mcnemar_p", 2),
        row.number("cosine", 4),
        row.number("target_sparsity", 2) if _is_pruned(record) else Shown(NO_CELL),
        row.number("pruned_sparsity", 3) if _is_pruned(record) else Shown(NO_CELL),
        _ends(record.details.get("quantize")),
        row.number("sparsity", 3),
        _ends(record.details),
        row.number("densify_ops", 0) if record.values.get("densify_ops") else Shown(NO_CELL),
    ]


def _ends(details: object) -> Shown:
    """Return the least and the most zeros of a kernel; a published record may lack the single ones."""
    found = details.get("sparsity") if isinstance(details, dict) else None
    shares = [one for one in found.values() if isinstance(one, int | float)] if isinstance(found, dict) else []
    return Shown(f"{min(shares):.2f}–{max(shares):.2f}" if shares else NO_CELL)


class _Row:
    """One artifact in one runtime beside the float artifact in the same."""

    def __init__(self, judged: Judged, original: Record | None, notes: Notes) -> None:
        self._judged, self._record, self._original, self._notes = judged, judged.record, original, notes

    def number(self, column: str, digits: int, factor: float = 1.0) -> Shown:
        """Return a value of the record, or why there is none."""
        return self._of(column, lambda value: f"{value * factor:.{digits}f}")

    def ratio(self, column: str) -> Shown:
        """Return a value ÷ that of the original."""
        base = number(self._original, column) if self._original else None
        if not base:
            return self._none("the original was not measured in this runtime")
        return self._of(column, lambda value: f"{value / base:.3f}")

    def latency_ratio(self) -> Shown:
        """Return time ÷ time of the original, from pairs of runs."""
        return self._of("speedup_vs_float", lambda value: f"{1 / value:.3f}")

    def interval(self) -> Shown:
        """Return the interval of the ratio of latencies over processes."""
        ends = [number(self._record, f"speedup_vs_float_ci_{side}") for side in ("high", "low")]
        if not all(ends):
            found = self.latency_ratio()
            return found if found.note else self._none("an interval needs two rounds or more (measure=full)")
        return Shown("–".join(f"{1 / end:.3f}" for end in ends if end))

    def claimed(self, what: Literal["latency", "size"]) -> Shown:
        """Return the ratio that the old table had, and whether it was found again."""
        cell, claims = self._record.cell, old_table().pruning
        told = {row.quant: row for row in claims.rows if row.quant != FLOAT and cell.model == claims.model}
        row = told.get(cell.quant)
        if row is None:
            return Shown(NO_CELL)
        ratio = row.latency_ratio if what == "latency" else row.size_ratio
        found = (
            old_pruning.latency(self._record)
            if what == "latency"
            else old_pruning.size(self._record, self._original, "size_bytes")
        )
        return Shown(f"{ratio:g}, {old_pruning.holds(ratio, *found[1:]) if found else 'not measured'}")

    def _of(self, column: str, form: Callable[[float], str]) -> Shown:
        value = number(self._record, column)
        if value is not None:
            return Shown(form(value))
        if self._record.status not in ("ok", "noisy"):
            return self._none(self._judged.verdict.text)
        return self._none(self._record.missing.get(column, f"{column} was not measured"))

    def _none(self, why: str) -> Shown:
        return Shown(NO_VALUE, self._notes.number(clip(one_line(why))))
