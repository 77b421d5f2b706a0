"""What the old table asked of a model, answered by records: is it quantized, does it go to ONNX, at which opset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records import Record
from harness.report.shown import number, one_line
from harness.tables.order import QUANTS, natural, place
from harness.tables.verdict import RANK, Judged

LEAST_COSINE, MOST_LOST = 0.5, 0.5
"""With less of the one, or more top-1 lost than the other, an artifact does not do what the model does."""
FOLLOWS, FOLLOWS_UNLABELLED = 0.9, 0.5
"""An artifact that names the class of the pruned or trained model on so many images is an export of that model.

The classes of random weights are so near each other that rounding alone moves images; by chance one of 1,000 would be
the same.
"""
Mark = Literal["yes", "degraded", "no"]
MARKS: tuple[Mark, ...] = ("yes", "degraded", "no")
"""From good to bad."""
PTQ = ("ptq", "aeq")
"""Methods that quantize a trained model in TFLite."""
QAT = ("qat", "qat_stock")
ONNX = ("onnx", "onnx_qdq")
_FLOAT = "none"
_SEVEN_BITS = " (weights of 7 bits, made on a processor without VNNI: reduce_range)"
_NOT_TRIED = frozenset(
    {"no_such_form", "toolchain_missing", "toolchain_lacks", "node_missing", "packages_missing", "no_simd", "threads"}
)
"""Reasons of cells that were not tried: combinations that cannot be, and what this machine has not installed."""
_MARK_OF: dict[str, Mark] = {"clean": "yes", "degraded": "degraded", "fails": "no", "n/a": "no"}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do what a column asks for, and how it went."""

    name: str
    """A preset (``int8``), a preset and an exporter (``qat/onnx``), or an opset (``13``)."""
    mark: Mark
    cell: Judged
    """The cell that says so: the worst of all runtimes, threads and tasks."""
    why: str
    """One line; for *yes* that it is clean."""
    in_float: bool = False
    """Whether ONNX Runtime computes every convolution of the quantized file in float."""


Ways = tuple[Way, ...]
"""Empty when the run has no such cell."""


@dataclass(frozen=True, slots=True)
class Support:
    """One model."""

    model: str
    label: str
    ptq: Ways
    qat: Ways
    fp32_onnx: Ways
    """A way for each opset."""
    quantized_onnx: Ways
    opsets: Ways
    """A way for each opset: of the float model, where that was not exported of the quantized ones."""


def supports(judged: Sequence[Judged], models: tuple[str, ...]) -> tuple[Support, ...]:
    """Return a row for each model (and toolchain), those of ``models`` first and in their order.

    ``judged``: one record of each cell.
    """
    several = len({j.record.cell.toolchain for j in judged}) > 1
    rows: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for j in judged:
        rows[j.record.cell.model, j.record.cell.toolchain].append(j)
    ordered = sorted(rows, key=lambda key: (place(key[0], models), natural(key[1])))
    return tuple(_support(key[0], " · ".join(key) if several else key[0], rows[key]) for key in ordered)


def _support(model: str, label: str, cells: Sequence[Judged]) -> Support:
    tried = [j for j in cells if not _refused(j)]
    onnx = [j for j in tried if method(j.record, "export") in ONNX]
    fp32 = [j for j in onnx if j.record.cell.quant == _FLOAT and method(j.record, "export") == "onnx"]
    quantized = [j for j in onnx if is_quantized(j.record)]
    return Support(
        model,
        label,
        ptq=_ways(_of(tried, PTQ), _preset),
        qat=_ways(_of(tried, QAT), _preset),
        fp32_onnx=_ways(fp32, _opset, export=True),
        quantized_onnx=_ways(quantized, _route, export=True),
        opsets=_ways(fp32 or quantized, _opset, export=True),
    )


def method(record: Record, axis: str) -> str:
    """Return the plug-in behind a choice of ``quant`` or ``export``; of a record without options its name."""
    options = record.options.get(axis)
    found = options.get("method") if isinstance(options, dict) else None
    return found if isinstance(found, str) else str(getattr(record.cell, axis)).partition("@")[0]


def is_quantized(record: Record) -> bool:
    """Say whether a cell's model was quantized: not the float one, and not one that was pruned alone."""
    options = record.options.get("quant")
    pruned = method(record, "quant") == "prune"
    return record.cell.quant != _FLOAT and not (
        pruned and isinstance(options, dict) and options.get("then", "float") == "float"
    )


def _refused(j: Judged) -> bool:
    return j.record.failure is not None and j.record.failure.reason in _NOT_TRIED


def _of(judged: Iterable[Judged], methods: Sequence[str]) -> list[Judged]:
    """Return the cells of some quantizers: those in TFLite, where the run has none all others."""
    cells = [j for j in judged if j.record.cell.quant != _FLOAT and method(j.record, "quant") in methods]
    return [j for j in cells if method(j.record, "export") == "tflite"] or cells


def _preset(record: Record) -> str:
    return record.cell.quant


def _route(record: Record) -> str:
    return f"{record.cell.quant}/{record.cell.export.partition('@')[0]}"


def _opset(record: Record) -> str:
    """Return the opset that the file declares; where there is no file, the one that was asked for."""
    options = record.options.get("export")
    asked = options.get("opset") if isinstance(options, dict) else None
    found = record.values.get("opset", asked)
    return str(found) if isinstance(found, int) else record.cell.export


def _ways(judged: Iterable[Judged], name: Callable[[Record], str], *, export: bool = False) -> Ways:
    """Return the ways by name. ``export``: whether models are exported is the question, not what they had become."""
    groups: dict[str, dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for j in judged:
        groups[name(j.record)][j.record.cell.export].append(j)
    ordered = sorted(groups, key=lambda one: place(one.partition("/")[0], QUANTS))
    return tuple(_way(one, groups[one].values(), export) for one in ordered)


def _way(name: str, artifacts: Iterable[list[Judged]], export: bool) -> Way:
    """Return the best of several artifacts (an opset each), of which each is as good as its worst cell."""
    ways = [max((_told(name, j, export) for j in cells), key=_badness) for cells in artifacts]
    return min(ways, key=lambda way: MARKS.index(way.mark))


def _badness(way: Way) -> tuple[int, bool, int]:
    return MARKS.index(way.mark), is_unpacked(way.cell.record), RANK.index(way.cell.verdict.verdict)


def computed_in_float(record: Record) -> bool:
    """Say whether ONNX Runtime computes every convolution of a file in float, whatever its weights are stored as."""
    integer, floating = (record.values.get(name) for name in ("integer_convs", "float_convs"))
    return integer == 0 and isinstance(floating, int) and floating > 0


def is_unpacked(record: Record) -> bool:
    """Say whether conversion made float of what was quantized: then the result is not quantized at all."""
    return record.values.get("quantization_kept") is False


def _says_else(record: Record) -> str:
    """Return by what the outputs have next to nothing in common with those of the float model, empty if they have."""
    cosine, lost = (number(record, name) for name in ("cosine", "top1_drop"))
    if cosine is not None and cosine < LEAST_COSINE:
        return f"cosine {cosine:.3f} is below {LEAST_COSINE:g}"
    return f"top1_drop {lost:.3f} is above {MOST_LOST:g}" if lost is not None and lost > MOST_LOST else ""


def _follows(record: Record) -> bool:
    """Say whether an artifact says what the model says that pruning or training made, whatever became of it there."""
    agreement = number(record, "trained_agreement")
    least = FOLLOWS if "top1" in record.values else FOLLOWS_UNLABELLED
    return agreement is not None and agreement >= least


def _told(name: str, j: Judged, export: bool) -> Way:
    if is_unpacked(j.record):
        return Way(name, "no", j, f"not quantized any more: {one_line(str(j.record.values.get('form', 'float')))}")
    else_by = _says_else(j.record) if j.verdict.verdict == "degraded" else ""
    if else_by and export and _follows(j.record):
        made = "says what the model said after pruning or training, which is not what the float model says"
        return Way(name, "degraded", j, f"{made}: {else_by}")
    if else_by:
        return Way(name, "no", j, f"converts, but does not say what the float model says: {else_by}")
    in_float = is_quantized(j.record) and computed_in_float(j.record)
    bits = _SEVEN_BITS if j.verdict.verdict == "degraded" and _by_processor(j.record) else ""
    return Way(name, _MARK_OF[j.verdict.verdict], j, one_line(j.verdict.text) + bits, in_float)


def _by_processor(record: Record) -> bool:
    """Say whether weights have seven bits because the machine that made them adds products in 16 bits."""
    options = record.options.get("quant")
    asked = options.get("reduce_range") if isinstance(options, dict) else None
    return asked == "auto" and record.values.get("reduce_range") is True
