"""What layers in float bought and what they cost: each such artifact beside the one that is int8 throughout."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Record
from harness.report.markdown import escape, numbered, table
from harness.report.matrix import Labels, labels
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, NO_VALUE, SYMBOLS, Shown, megabytes, milliseconds, number, superscript, times
from harness.tables.verdict import Judged

HEAD = (
    "model", "quant", "runtime", "", "in float", "trials", "int8 share", "top-1 %", "before", "cosine", "before",
    "SQNR dB", "before", "p50 ms", "÷ int8", "÷ float", "size MB", "÷ int8",
)  # fmt: skip
EXPLAINED = """\
*in float*: layers that were left so, named below; *trials*: sets that were tried to find them. *before*: the same of
the artifact that is int8 throughout, and *÷ int8* this one's time or size ÷ its: both only where the run has that one
too (`'quant.int8.deny=[none,auto]'` makes both). *÷ float*: the same of the float model; above 1 is what it costs."""


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all cells with layers in float on purpose, None when there is none."""
    rows = [j for j in judged if _denied(j.record)]
    if not rows:
        return None
    notes, names = Notes(), labels(judged)
    lines = [[escape(one.text) + superscript(one.note) for one in _row(j, judged, names, notes)] for j in rows]
    align = ["---", "---", "---", ":-:", *("--:" for _ in HEAD[4:])]
    parts = ["# Layers in float on purpose", EXPLAINED, table(list(HEAD), lines, align)]
    parts += [numbered(notes.texts)] if notes.texts else []
    return "\n\n".join([*parts, *_layers(rows, names), ""])


def _denied(record: Record) -> list[str]:
    found = record.details.get("quantize")
    names = found.get("denied") if isinstance(found, dict) else None
    asked = record.options.get("quant")
    names = names or (asked.get("deny_layers") if isinstance(asked, dict) else None)
    return [str(name) for name in names] if isinstance(names, list) else []


def _layers(rows: Sequence[Judged], names: Labels) -> list[str]:
    """Return the names, once for each artifact."""
    found = {(names.model(j.record.cell), j.record.cell.quant): _denied(j.record) for j in rows}
    made = []
    for (model, quant), layers in found.items():
        made += [f"## {escape(model)}, {escape(quant)}: {len(layers)} layers in float",
                 "\n".join(f"- `{escape(name)}`" for name in layers)]  # fmt: skip
    return made


def _row(j: Judged, judged: Sequence[Judged], names: Labels, notes: Notes) -> list[Shown]:
    record, cell = j.record, j.record.cell
    before = _whole(record, judged)
    note = None if j.verdict.verdict == "clean" else notes.number(j.verdict.text)

    def shown(column: str, digits: int, factor: float = 1.0, of: Record | None = record) -> Shown:
        value = None if of is None else number(of, column)
        absent = NO_CELL if of is None else NO_VALUE
        return Shown(absent if value is None else f"{value * factor:.{digits}f}")

    p50, size, speed = (number(record, name) for name in ("latency_p50_ms", "size_bytes", "speedup_vs_float"))
    return [
        Shown(names.model(cell)),
        Shown(cell.quant),
        Shown(names.runtime(cell)),
        Shown(SYMBOLS[j.verdict.verdict], note),
        Shown(str(len(_denied(record)))),
        shown("deny_trials", 0),
        shown("int8_mac_share", 3),
        shown("top1", 1, 100),
        shown("top1", 1, 100, before),
        shown("cosine", 3),
        shown("cosine", 3, 1, before),
        shown("sqnr_db", 1),
        shown("sqnr_db", 1, 1, before),
        Shown(NO_VALUE if p50 is None else milliseconds(p50)),
        _ratio(p50, number(before, "latency_p50_ms") if before else None),
        Shown(NO_VALUE if not speed else times(1 / speed)),
        Shown(NO_VALUE if size is None else megabytes(size)),
        _ratio(size, number(before, "size_bytes") if before else None),
    ]


def _ratio(own: float | None, other: float | None) -> Shown:
    return Shown(NO_CELL if not own or not other else times(own / other))


def _whole(record: Record, judged: Sequence[Judged]) -> Record | None:
    """Return the record of the same cell without layers in float, from the same machine; None when there is none."""
    own = _key(record)
    return next((j.record for j in judged if _key(j.record) == own and j.record.status in ("ok", "noisy")
                 and not _denied(j.record)), None)  # fmt: skip


def _key(record: Record) -> tuple[object, ...]:
    """Return what two records have in common that differ in what was left in float alone."""
    cell, quant = record.cell, record.options.get("quant")
    plain = quant if isinstance(quant, dict) else {}
    options = sorted((name, repr(value)) for name, value in plain.items() if not name.startswith("deny"))
    return (cell.model, cell.quant.partition("@")[0], cell.export, cell.runtime, cell.threads, cell.task,
            cell.toolchain, record.fingerprint, options)  # fmt: skip
