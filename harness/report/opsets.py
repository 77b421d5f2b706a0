"""Which ONNX opsets work for a model: the lowest and the highest that exports, checks, runs and matches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.report.markdown import escape, numbered, table
from harness.report.matrix import labels
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, NO_VALUE, SYMBOLS, superscript
from harness.tables.order import model_key, place
from harness.tables.verdict import RANK, Judged

EXPLAINED = """\
*lowest*, *highest*: of the opsets that were tried, those that export, pass `onnx.checker` with strict shape
inference, declare themselves in the file, run in ONNX Runtime and give what the float model gives, within the bounds
of the scheme."""


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all models for which several opsets were tried, None when there is none."""
    names = labels(judged)
    rows: dict[tuple[str, str, str], dict[int, Judged]] = defaultdict(dict)
    for j in sorted(judged, key=lambda j: RANK.index(j.verdict.verdict)):  # of several runtimes the worst stays
        opset = _opset(j)
        if opset is not None:
            cell = j.record.cell
            rows[names.model(cell), cell.quant, _base(cell.export)][opset] = j
    several = {key: found for key, found in rows.items() if len(found) > 1}
    if not several:
        return None
    tried = sorted({opset for found in several.values() for opset in found})
    notes = Notes()
    head = ["model", "quant", "export", "lowest", "highest", *map(str, tried)]
    lines = [_line(key, several[key], tried, notes) for key in sorted(several, key=lambda k: _order(several[k], k))]
    align = ["---", "---", "---", "--:", "--:", *(":-:" for _ in tried)]
    parts = ["# ONNX opsets", EXPLAINED, table(head, lines, align), *([numbered(notes.texts)] if notes.texts else [])]
    return "\n\n".join([*parts, ""])


def _opset(j: Judged) -> int | None:
    """Return the opset that a cell was asked for, None where there is nothing to choose."""
    options = j.record.options.get("export")
    asked = options.get("opset") if isinstance(options, dict) else None
    return int(asked) if isinstance(asked, int) and j.verdict.verdict != "n/a" else None


def _base(export: str) -> str:
    """Return the name of an export without the opset it was varied in."""
    name, _, settings = export.partition("@")
    rest = [one for one in settings.split(",") if one and not one.startswith("opset=")]
    return f"{name}@{','.join(rest)}" if rest else name


def _order(found: dict[int, Judged], key: tuple[str, str, str]) -> tuple[object, ...]:
    cell = next(iter(found.values())).record.cell
    return (*model_key(cell), place(key[2], ("onnx", "onnx_qdq")), key[1])


def _line(key: tuple[str, str, str], found: dict[int, Judged], tried: Sequence[int], notes: Notes) -> list[str]:
    good = [opset for opset, j in found.items() if j.verdict.verdict == "clean"]
    ends = [str(min(good)), str(max(good))] if good else [NO_VALUE, NO_VALUE]
    return [*map(escape, key), *ends, *(_mark(found.get(opset), notes) for opset in tried)]


def _mark(j: Judged | None, notes: Notes) -> str:
    if j is None:
        return NO_CELL
    note = None if j.verdict.verdict == "clean" else notes.number(j.verdict.text)
    return SYMBOLS[j.verdict.verdict] + superscript(note)
