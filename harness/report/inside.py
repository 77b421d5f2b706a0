"""What is inside the artifacts, as measured: arithmetic, float operators by name, delegate, kernels of ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.records import Record
from harness.report.markdown import escape, numbered, table
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, NO_VALUE, SYMBOLS, Shown, milliseconds, some, superscript
from harness.tables.verdict import Judged

HEAD = (
    "model", "quant", "export", "runtime", "", "int8 share", "float ops", "which", "scale per channel", "input",
    "partitions", "outside", "integer convs", "float convs", "transposes", "int8 sums", "steps from TFLite", "images",
    "p50 ms",
)  # fmt: skip
EXPLAINED = """\
*int8 share*: of the multiply-adds, read from the file. *float ops*: operators that compute in float, *which* of them.
*partitions*, *outside*: parts of the graph that XNNPACK took, operators that it left. *integer convs* to *int8 sums*:
of the graph that ONNX Runtime made of the file; *int8 sums* are exact, or may saturate on processors without VNNI.
*steps from TFLite*: the largest difference of an output of `onnx_qdq` from LiteRT's, in steps of the output."""
FLOAT = "none"


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all quantized cells that were tried, None when there is none."""
    rows = [j for j in judged if j.record.cell.quant != FLOAT and j.verdict.verdict != "n/a"]
    if not rows:
        return None
    notes = Notes()
    lines = [[escape(one.text) + superscript(one.note) for one in _row(j, notes)] for j in rows]
    align = ["---", "---", "---", "---", ":-:", "--:", "--:", "---", *("--:" for _ in HEAD[8:])]
    parts = ["# Inside", EXPLAINED, *_sums(rows), table(list(HEAD), lines, align)]
    return "\n\n".join([*parts, *([numbered(notes.texts)] if notes.texts else []), ""])


def _sums(rows: Sequence[Judged]) -> list[str]:
    """Return, for each quantization and format, how many artifacts are integer throughout."""
    all_of, whole = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for key in sorted({(j.record.cell.quant, j.record.cell.export, *_artifact(j.record)) for j in rows}):
        all_of[key[0], key[1]] += 1
        whole[key[0], key[1]] += key[-1]
    lines = [f"- {quant} × {export}: {whole[quant, export]} of {count} artifacts have an int8 share of 0.99 or more "
             "and no float operator." for (quant, export), count in all_of.items()]  # fmt: skip
    return ["\n".join(lines)]


def _artifact(record: Record) -> tuple[str, str, bool]:
    share, floats = record.values.get("int8_mac_share"), record.values.get("float_ops")
    whole = isinstance(share, int | float) and share >= 0.99 and floats == 0
    return record.cell.model, f"{record.cell.task} {record.cell.toolchain}", whole


def _row(j: Judged, notes: Notes) -> list[Shown]:
    record, cell = j.record, j.record.cell
    stopped = j.verdict.verdict == "fails"
    note = notes.number(j.verdict.text) if j.verdict.verdict != "clean" else None

    def number(column: str, digits: int = 0) -> Shown:
        value = record.values.get(column)
        if isinstance(value, bool):
            return Shown("yes" if value else "no")
        if isinstance(value, int | float):
            return Shown(f"{value:.{digits}f}")
        if isinstance(value, str):
            return Shown(value)
        return Shown(NO_VALUE if stopped else NO_CELL)

    p50 = record.values.get("latency_p50_ms")
    return [
        Shown(cell.model),
        Shown(cell.quant),
        Shown(cell.export),
        Shown(cell.runtime),
        Shown(SYMBOLS[j.verdict.verdict], note),
        number("int8_mac_share", 4),
        number("float_ops"),
        Shown(_named(record) or NO_CELL),
        number("per_channel"),
        Shown(str(record.values.get("input_shape", NO_VALUE))),
        *map(number, ("partitions", "undelegated_ops", "integer_convs", "float_convs", "inserted_transposes",
                      "int8_sums", "converted_max_steps", "images")),
        Shown(milliseconds(p50) if isinstance(p50, int | float) else NO_VALUE),
    ]  # fmt: skip


def _named(record: Record) -> str:
    """Return the operators that compute in float, as the audit named them."""
    found = record.details.get("float_ops")
    return some([str(one).removeprefix("float op ") for one in found], 3) if isinstance(found, list) else ""
