"""What is inside the artifacts, as measured: arithmetic, float operators by name, delegate, kernels of ONNX Runtime."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.records import Cell, Record
from harness.report.markdown import escape, numbered, table
from harness.report.matrix import Labels, labels
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, NO_VALUE, SYMBOLS, Shown, milliseconds, number, some, superscript
from harness.report.support import computed_in_float
from harness.tables.verdict import Judged, Thresholds, scheme

HEAD = (
    "model", "task", "quant", "export", "runtime", "verdict", "form", "int8 share", "int16 share", "hybrid share",
    "float ops", "which", "scale per channel", "7 bits", "input",
    "partitions", "outside", "integer convs", "float convs", "transposes", "int8 sums", "steps from TFLite",
    "trained says the same", "best epoch", "peak GB", "images", "p50 ms",
)  # fmt: skip
EXPLAINED = """\
*form*: what a file made by way of another holds, in a note. *int8 share*: of the multiply-adds, read from the file;
*int16 share*: of those with 16-bit activations; *hybrid share*: of those with int8 weights and float activations.
*float ops*: operators that compute in float, *which* of them where there should be none. *scale per channel*: whether
the kernels of convolutions have a scale for each output channel. *7 bits*: whether weights are kept to seven bits, so
that sums of products do not saturate. *partitions*, *outside*: parts of the graph that XNNPACK took, operators that
it left. *integer convs* to *int8 sums*: of the graph that ONNX Runtime made of the file; *int8 sums* are exact by the
way it was asked to compute, exact by the processor (native), or may saturate on one without VNNI. *steps from
TFLite*: the largest difference of an output of `onnx_qdq` from LiteRT's, in steps of the output. *trained says the
same*: percent of the images on which the model as trained in Keras has the same top class (of random weights a coin's
throw). *best epoch*: of training; 0 is the calibrated model, untrained. *peak GB* (10⁹ bytes): memory of the process
that quantized, where that was more than to write down a recipe. *images*: as many as the runtime answered within
`measure.evaluate_cap_s`."""
FLOAT = "none"
SHARE = "int8_mac_share"
PEAK, LEAST_PEAK = "peak_rss_quantize_bytes", 1e8
"""With less memory, bytes, a job only wrote down what the converter is to do."""
STEPS = (
    "more than one step from LiteRT's output on some image, though no integer operator is: a net carries on what is "
    "rounded otherwise in a mean, as between LiteRT's own two kernels (harness/qdq/README.md)"
)
FLOAT_STEPS = "ONNX Runtime computes some of it in float, where LiteRT rounds to integers"


def page(judged: Sequence[Judged], limits: Thresholds) -> str | None:
    """Return the page on all quantized cells that were tried, None when there is none.

    ``limits``: those that the cells were judged by; they say which schemes owe integers.
    """
    rows = [j for j in judged if j.record.cell.quant != FLOAT and j.verdict.verdict != "n/a"]
    if not rows:
        return None
    notes, names = Notes(), replace(labels(judged), tasks=False)
    lines = [[escape(one.text) + superscript(one.note) for one in _row(j, limits, names, notes)] for j in rows]
    align = ["---"] * 5 + [":-:", "---", "--:", "--:", "--:", "--:", "---", *("--:" for _ in HEAD[12:])]
    parts = ["# Inside", EXPLAINED, *_sums(rows, limits), table(list(HEAD), lines, align)]
    return "\n\n".join([*parts, *([numbered(notes.texts)] if notes.texts else []), ""])


def _sums(rows: Sequence[Judged], limits: Thresholds) -> list[str]:
    """Return how many artifacts are integer throughout, for each quantization and format that owe integers."""
    found: dict[tuple[str, str], dict[Cell, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for j in rows:
        if _owes(j.record, limits):
            cell = j.record.cell
            found[cell.quant, cell.export][_artifact(cell)].append(j.record)
    lines = [_sum(*key, list(artifacts.values())) for key, artifacts in sorted(found.items())]
    return ["\n".join(lines)] if lines else []


def _sum(quant: str, export: str, tried: Sequence[Sequence[Record]]) -> str:
    """Return the line of one quantization in one format; of an artifact several runtimes may have a record."""
    made = [records for records in tried if any("float_ops" in one.values for one in records)]
    if not made:
        return f"- {quant} × {export}: all {len(tried)} stopped before there was an artifact."
    whole = sum(any(map(_is_whole, records)) for records in made)
    told = [f"{whole} of {len(made)} artifacts have an int8 share of 0.99 or more and no float operator"]
    loaded = [one for records in made for one in records if number(one, "integer_convs") is not None]
    if loaded:
        integer = len({_artifact(one.cell) for one in loaded if number(one, "float_convs") == 0})
        told.append(f"ONNX Runtime runs all convolutions of {integer} in int8")
    if len(made) < len(tried):
        told.append(f"{len(tried) - len(made)} stopped before there was one")
    return f"- {quant} × {export}: {'; '.join(told)}."


def _artifact(cell: Cell) -> Cell:
    """Return what the cells of one artifact have in common."""
    return replace(cell, runtime="", threads=1)


def _is_whole(record: Record) -> bool:
    return (number(record, SHARE) or 0) >= 0.99 and number(record, "float_ops") == 0


def _owes(record: Record, limits: Thresholds) -> bool:
    """Return whether a scheme is to compute in integers."""
    return SHARE in limits.bounds(scheme(record)).min


def _row(j: Judged, limits: Thresholds, names: Labels, notes: Notes) -> list[Shown]:
    record, cell = j.record, j.record.cell
    stopped = j.verdict.verdict == "fails"
    note = notes.number(f"{cell.quant}: {j.verdict.text}") if j.verdict.verdict != "clean" else None

    def shown(column: str, digits: int = 0, factor: float = 1) -> Shown:
        value = record.values.get(column)
        if isinstance(value, bool):
            return Shown("yes" if value else "no")
        if isinstance(value, int | float):
            return Shown(f"{value * factor:.{digits}f}")
        if isinstance(value, str):
            return Shown(value)
        return Shown(NO_VALUE if stopped else NO_CELL)

    p50 = record.values.get("latency_p50_ms")
    return [
        Shown(names.model(cell)),
        Shown(cell.task),
        Shown(cell.quant),
        Shown(cell.export),
        Shown(names.runtime(cell)),
        Shown(SYMBOLS[j.verdict.verdict], note),
        _form(record, notes),
        shown(SHARE, 4),
        shown("int16_mac_share", 4),
        shown("hybrid_mac_share", 4),
        shown("float_ops"),
        Shown((_owes(record, limits) and _named(record)) or NO_CELL),
        shown("per_channel"),
        shown("reduce_range"),
        Shown(str(record.values.get("input_shape", NO_VALUE))),
        *map(shown, ("partitions", "undelegated_ops", "integer_convs", "float_convs", "inserted_transposes")),
        shown("int8_sums") if number(record, "integer_convs") else Shown(NO_VALUE if stopped else NO_CELL),
        replace(shown("converted_max_steps"), note=_apart(record, notes)),
        shown("trained_agreement", 1, 100),
        shown("tuning_best_epoch"),
        shown(PEAK, 1, 1e-9) if (number(record, PEAK) or 0) >= LEAST_PEAK else Shown(NO_CELL),
        shown("images"),
        Shown(milliseconds(p50) if isinstance(p50, int | float) else NO_VALUE),
    ]  # fmt: skip


def _apart(record: Record, notes: Notes) -> int | None:
    """Return the note on an ``onnx_qdq`` file that is not within a step of LiteRT's output on every image."""
    steps, ops, convs = (number(record, name) for name in ("converted_max_steps", "float_ops", "float_convs"))
    if steps is None or steps <= 1:
        return None
    return notes.number(FLOAT_STEPS if ops or convs else STEPS)


def _named(record: Record) -> str:
    """Return the operators that compute in float, as the audit named them."""
    found = record.details.get("float_ops")
    return some([_short(str(one).removeprefix("float op ")) for one in found], 3) if isinstance(found, list) else ""


def _short(operator: str) -> str:
    """Return ``CONV_2D 'net/b/Relu;net/a/Conv2D'`` as ``CONV_2D 'net/a/Conv2D'``."""
    op, quote, name = operator.partition("'")
    return f"{op}{quote}{name.rpartition(';')[2]}"


def _form(record: Record, notes: Notes) -> Shown:
    """Return what the file says that it holds, and what ONNX Runtime makes of it where that is float all the same."""
    form = record.values.get("form")
    if not isinstance(form, str):
        return Shown(NO_CELL)
    told = computed_in_float(record) and not form.startswith("float32")
    text = f"{form}; ONNX Runtime computes all its convolutions in float" if told else form
    return Shown("", notes.number(text))
