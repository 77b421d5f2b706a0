"""The support matrix in the shape of the old table: a row a model, every field filled, each N with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.records import Record
from harness.report.claims import old_table
from harness.report.markdown import escape, table
from harness.report.reasons import Reasons
from harness.report.support import LEAST_COSINE, MOST_LOST, Mark, Support, Way, Ways, supports
from harness.tables.verdict import Judged

HEAD = ("Model", "Quantization support", "FP32 ONNX export", "Quantized ONNX export", "ONNX opset")
NOT_RUN = "not run"
EXPLAINED = f"""\
Y: exported, passed `onnx.checker`, loads, runs and gives what the float model gives, within the bounds of its scheme.
*degraded*: all that, but for the metrics in the note. N: does not, for the reason in the note; or it runs, but is not
quantized any more, or has next to nothing in common with the float model (cosine below {LEAST_COSINE:g} or more than
{MOST_LOST:.0%} of top-1 lost; where pruning did that, not export, the export is *degraded*), which the other tables
call degraded. A field is the worst of all runtimes, threads and tasks of the runs; *not run*: they have no such cell.
PTQ: quantized after training, in TFLite; QAT: trained for it; in brackets the presets that are not as the others. A
quantized ONNX file comes from a float file (`ort_static/onnx`), from TFLite (`…/onnx_qdq`), or from a trained model
directly (`qat/onnx`); *computed in float*: ONNX Runtime runs no convolution of it in int8. Accuracy, latency and size
of every cell are in `compatibility.md`."""
UNLABELLED = """\
Without labels ({tasks}) a model of the zoo has random weights, unless the task says otherwise. Next to nothing is
learnt there: `qat` is as a rule the model with calibrated ranges, `qat_stock` what a few steps make of plain tfmot's.
A cosine out of its bounds speaks of such weights more than of the export; tasks with labels have the accuracy."""


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all models (``judged``: one record of each cell), None when there is none."""
    parts = tables(judged)
    return "\n\n".join(["# Support matrix", *parts, ""]) if parts else None


def tables(judged: Sequence[Judged], *, commands: bool = True) -> list[str]:
    """Return what the page says as blocks of Markdown, nothing when there is no model."""
    records = [j.record for j in judged]
    reasons = Reasons(tasks=len({record.cell.task for record in records}) > 1)
    rows = [line(row, reasons) for row in supports(judged, old_table().models)]
    told = reasons.markdown() if commands else reasons.short()
    return [EXPLAINED, *_without_labels(records), table(HEAD, rows, ["---"] * len(HEAD)), *told] if rows else []


def _without_labels(records: Iterable[Record]) -> list[str]:
    """Return what to know of tasks that have images and no labels; nothing when there are none."""
    found: dict[str, bool] = {}
    for record in records:
        if record.status in ("ok", "noisy"):
            found[record.cell.task] = found.get(record.cell.task, False) or "top1" in record.values
    names = ", ".join(f"`{escape(task)}`" for task, labelled in sorted(found.items()) if not labelled)
    return [UNLABELLED.format(tasks=names)] if names else []


def line(row: Support, reasons: Reasons) -> list[str]:
    """Return the fields of a row as Markdown."""
    return [
        escape(row.label),
        f"{_kind('PTQ', row.ptq, reasons)}, {_kind('QAT', row.qat, reasons)}",
        yes_or_no(row.fp32_onnx, reasons),
        routes(row.quantized_onnx, reasons),
        opsets(row.opsets, reasons),
    ]


def _kind(name: str, ways: Ways, reasons: Reasons) -> str:
    """Return ``PTQ (not int16x8¹)``: what works, and which presets do not."""
    if not ways:
        return f"{name} {NOT_RUN}"
    failing, degraded = _names(ways, "no", reasons), _names(ways, "degraded", reasons)
    if all(way.mark == "no" for way in ways):
        return f"no {name} ({failing})"
    told = [f"{word}{names}" for word, names in (("not ", failing), ("degraded: ", degraded)) if names]
    return f"{name} ({'; '.join(told)})" if told else name


def yes_or_no(ways: Ways, reasons: Reasons) -> str:
    """Return Y when one of the ways works, else N with the reason of each."""
    word = best(ways)
    if word in (NOT_RUN, "Y"):
        return word
    left = [way for way in ways if way.mark == ("no" if word == "N" else "degraded")]
    return f"{word}{reasons.mark(left[0])}" if len(left) == 1 else f"{word} ({_listed(left, reasons)})"


def best(ways: Ways) -> str:
    """Return the best that some ways come to, in a word."""
    marks = {way.mark for way in ways}
    return NOT_RUN if not marks else "Y" if "yes" in marks else "Y, degraded" if "degraded" in marks else "N"


def routes(ways: Ways, reasons: Reasons) -> str:
    """Return every route by name: those that work, those that work in part, those that do not."""
    told_ways = tuple(replace(way, name=f"{way.name} (computed in float)") if way.in_float else way for way in ways)
    working = ", ".join(escape(way.name) for way in told_ways if way.mark == "yes")
    degraded, failing = _names(told_ways, "degraded", reasons), _names(told_ways, "no", reasons)
    told = [f"Y: {working}"] if working else []
    told += [f"degraded: {degraded}"] if degraded else []
    told += [f"N: {failing}"] if failing else []
    return "; ".join(told) or NOT_RUN


def opsets(ways: Ways, reasons: Reasons) -> str:
    """Return the opsets that work, neighbours as a span, and those that do not."""
    if not ways:
        return NOT_RUN
    working = [way.name for way in ways if way.mark != "no"]
    failing = _names(ways, "no", reasons)
    told = escape(_spans(working)) if working else "none"
    return f"{told} (not {failing})" if failing else told


def _spans(names: Iterable[str]) -> str:
    """Return ``13–15, 17`` for 13, 14, 15, 17; what is no number stands for itself."""
    spans: list[list[str]] = []
    for name in names:
        last = spans[-1][-1] if spans else ""
        follows = last.isdecimal() and name.isdecimal() and int(name) == int(last) + 1
        spans[-1].append(name) if follows else spans.append([name])
    return ", ".join(one[0] if len(one) == 1 else f"{one[0]}–{one[-1]}" for one in spans)


def _names(ways: Ways, mark: Mark, reasons: Reasons) -> str:
    return _listed([way for way in ways if way.mark == mark], reasons)


def _listed(ways: Iterable[Way], reasons: Reasons) -> str:
    return ", ".join(f"{escape(way.name)}{reasons.mark(way)}" for way in ways)
