"""A row a model with the figures that people ask for first: for a README that has no room for every cell."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.records import Record
from harness.report import remarks
from harness.report.markdown import escape, table
from harness.report.shown import INTERVAL, NO_CELL, NO_VALUE, megabytes, milliseconds, number, percent, spread
from harness.tables.order import cell_key, model_key
from harness.tables.verdict import Judged

EXPLAINED = """\
{threads}. *ms*: median latency of one image, of undisturbed runs alone, and how far (±) its interval over processes
reaches, on its longer side; *MB*: 10⁶ bytes; *cosine*: of the artifact's outputs with those of the float Keras model,
on {figures}. *int8*: quantized after training by the TFLite converter, in ONNX Runtime the same file by `onnx_qdq`;
*ort_static*: by ONNX Runtime. {interval}
{accuracy}{absent}: not part of the run, {failing}: not measured, for a reason that stands in `compatibility.md`."""
ACCURACY = "*top-1*: on {tasks}, {images} test images{apart}. "
APART = ", of nets trained there: not the artifacts whose times and sizes stand beside it"
APART_IN_TIME = "Times of rows that name different processors cannot be held against each other."


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of one kind of cell."""

    title: str
    value: str
    quant: str
    export: str
    runtime: str
    text: Callable[[float], str]


def _columns() -> Iterable[Column]:
    for quant in ("none", "int8", "qat"):
        name = "float" if quant == "none" else quant
        yield Column(f"XNNPACK {name} ms", "latency_p50_ms", quant, "tflite", "xnnpack", milliseconds)
    for quant, export in (("none", "onnx"), ("int8", "onnx_qdq"), ("ort_static", "onnx")):
        name = "float" if quant == "none" else quant
        yield Column(f"ONNX Runtime {name} ms", "latency_p50_ms", quant, export, "onnxruntime", milliseconds)
    for quant, name in (("none", "float"), ("int8", "int8")):
        yield Column(f"TFLite {name} MB", "size_bytes", quant, "tflite", "xnnpack", megabytes)
    for quant, export, runtime in (("int8", "tflite", "xnnpack"), ("qat", "tflite", "xnnpack"),
                                   ("ort_static", "onnx", "onnxruntime")):  # fmt: skip
        yield Column(f"{quant} cosine", "cosine", quant, export, runtime, "{:.3f}".format)
    for quant in ("none", "int8", "qat"):
        name = "float" if quant == "none" else quant
        yield Column(f"{name} top-1 %", "top1", quant, "tflite", "xnnpack", percent)


def tables(judged: Sequence[Judged], machines: Mapping[str, str] | None = None) -> list[str]:
    """Return the overview as blocks of Markdown (``judged``: one record of each cell); nothing where there is none.

    Accuracies are of a task with labels; times, sizes and cosines of one without, at native size, when there is one.
    Of several such tasks, and of several thread counts, those with the most cells. Where ``machines`` (run →
    processor) names several for those, each row says which its times are of.
    """
    records = [j.record for j in judged]
    with_labels = {r.cell.task for r in records if r.values.get("top1") is not None}
    threads = _most(r.cell.threads for r in records)
    records = [r for r in records if r.cell.threads == threads]
    labelled = _of_one_task([r for r in records if r.cell.task in with_labels])
    native = _of_one_task([r for r in records if r.cell.task not in with_labels])
    of = {True: _Cells(labelled), False: _Cells(native or labelled)}
    columns = [one for one in _columns() if of[one.value == "top1"].has(one)]
    models = {j.record.cell.model: j.record for j in judged}
    order = sorted(models, key=lambda name: model_key(models[name].cell))
    if not columns:
        return []
    rows = {name: [escape(name), *(of[one.value == "top1"].field(name, one) for one in columns)] for name in order}
    head, sides, told = ["model", *(one.title for one in columns)], ["---", *("--:" for _ in columns)], []
    measured = _processors(native or labelled, machines or {})
    if len(set(measured.values())) > 1:
        head, sides, told = [*head, "times are of"], [*sides, "---"], [APART_IN_TIME]
        for name in order:
            rows[name].append(escape(measured.get(name, NO_CELL)))
    told += [escape(f"{text[0].upper()}{text[1:]}") for text in remarks.spread(native or labelled)]
    return [table(head, [rows[name] for name in order], sides), *told, _told(labelled, native)]


def _most(found: Iterable[Any]) -> Any:
    """Return what there is most of, of equals the least; None of nothing."""
    counts = Counter(found)
    return min(counts, key=lambda one: (-counts[one], one), default=None)


def _of_one_task(records: Sequence[Record]) -> list[Record]:
    task = _most(r.cell.task for r in records)
    return [r for r in records if r.cell.task == task]


def _processors(records: Sequence[Record], machines: Mapping[str, str]) -> dict[str, str]:
    """Return model → what its latencies were measured on; the machine that most of them are of comes first."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for r in records:
        if r.values.get("latency_p50_ms") is not None and r.run in machines:
            found[r.cell.model][machines[r.run]] += 1
    return {model: "; ".join(text for text, _ in texts.most_common()) for model, texts in found.items()}


def _told(labelled: Sequence[Record], native: Sequence[Record]) -> str:
    """Return what the columns are, and on which task each was measured."""
    images = sorted({int(str(r.values["images"])) for r in labelled if r.values.get("images") is not None})
    apart = APART if native else ""
    accuracy = ACCURACY.format(tasks=_tasks(labelled), images=" or ".join(map(str, images)), apart=apart)
    figures = _tasks(native or labelled)
    threads = (native or labelled)[0].cell.threads
    return EXPLAINED.format(
        threads="One thread" if threads == 1 else f"{threads} threads",
        figures=figures,
        interval=INTERVAL,
        accuracy=accuracy if images else "",
        absent=NO_CELL,
        failing=NO_VALUE,
    )


def _tasks(records: Sequence[Record]) -> str:
    return ", ".join(f"`{escape(task)}`" for task in sorted({r.cell.task for r in records})) or "no task"


class _Cells:
    """Records by what a column asks for; of several toolchains the first."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._found: dict[tuple[str, str, str, str], Record] = {}
        for r in sorted(records, key=lambda r: cell_key(r.cell)):
            cell = r.cell
            self._found.setdefault((cell.model, cell.quant, cell.export, cell.runtime), r)

    def has(self, column: Column) -> bool:
        """Return whether any model has a number for a column."""
        return any(self._number(place[0], column) is not None for place in self._found)

    def field(self, model: str, column: Column) -> str:
        """Return the text of a field."""
        if (model, column.quant, column.export, column.runtime) not in self._found:
            return NO_CELL
        found = self._number(model, column)
        if found is None:
            return NO_VALUE
        sure = spread(self._found[model, column.quant, column.export, column.runtime]) if _is_time(column) else ""
        return f"{column.text(found)} {sure}".rstrip()

    def _number(self, model: str, column: Column) -> float | None:
        record = self._found.get((model, column.quant, column.export, column.runtime))
        return number(record, column.value) if record else None


def _is_time(column: Column) -> bool:
    return column.value == "latency_p50_ms"
