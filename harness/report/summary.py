"""One row per model × quantization × exporter (and threads): accuracy, latency by runtime, size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.records import Cell
from harness.report import shown
from harness.report.matrix import Entry, Labels, entry, refused_columns
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, NO_REASON, NO_VALUE, Shown
from harness.tables.order import RUNTIMES, Key, column_key, model_key, place
from harness.tables.verdict import Judged

FLOAT = "none"
"""Preset of the float baseline."""
TIME = "median latency of one image, of undisturbed runs alone,"
SPREAD = "; ±: how far the interval over processes reaches, on its longer side"
RUNTIME_NAMES = {
    "cpu": "in LiteRT with its built-in kernels",
    "xnnpack": "in LiteRT with XNNPACK",
    "onnxruntime": "in ONNX Runtime",
    "tensorflow": "in TensorFlow",
    "tfjs_wasm": "in TensorFlow.js, WebAssembly",
}
PAIRED = "paired within rounds (which the quotient of two medians is not)"
UNDECIDED = "≈"
_UNSAID = {"speedup_vs_float": "the float artifact was not measured in the same runtime"}
"""Why a column is absent when a record does not say."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers."""

    title: str
    unit: str
    help: str
    short: str = ""
    """Title where there is little room, when it is not the same."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One artifact under one number of threads."""

    model: str
    quant: str
    export: str
    entry: Entry
    values: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The table as it is shown."""

    columns: tuple[Column, ...]
    rows: tuple[SummaryRow, ...]


def summary(judged: Sequence[Judged], names: Labels, notes: Notes) -> Summary:
    """Return the summary; the reason for every ``n/a`` goes to ``notes``."""
    runtimes = sorted({j.record.cell.runtime for j in judged}, key=lambda name: place(name, RUNTIMES))
    rows: dict[Key, list[Judged]] = defaultdict(list)
    refused = refused_columns(judged)
    for j in judged:
        if (j.record.cell.quant, j.record.cell.export) not in refused:
            rows[_row_key(j.record.cell)].append(j)
    floats = {_float_key(j.record.cell): j for j in judged if j.record.cell.quant == FLOAT and _size(j)}
    made = []
    for key in sorted(rows):
        row = _Row(rows[key], names, notes)
        cell = row.judged[0].record.cell
        values = [row.fraction("top1"), row.fraction("agreement"), *(row.p50(name) for name in runtimes)]
        values += [row.speed_up()] if _both(runtimes) else []
        values += [row.against_float(), row.size(), row.ratio(floats.get(_float_key(cell)))]
        made.append(SummaryRow(_label(cell, names), cell.quant, cell.export, row.entry, tuple(values)))
    return Summary(_columns(runtimes, _images(judged)), tuple(made))


def _images(judged: Sequence[Judged]) -> str:
    """Return how many images a top-1 is of; cells without labels have none."""
    labelled = [j.record for j in judged if "top1" in j.record.values]
    counts = sorted({int(n) for record in labelled if (n := shown.number(record, "images")) is not None})
    return "the task's" if not counts else f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def _columns(runtimes: Sequence[str], images: str) -> tuple[Column, ...]:
    return (
        Column("top-1", "%", f"top-1 accuracy of the artifact on {images} test images"),
        Column(
            "agreement",
            "%",
            "images of the task on which the artifact and the float Keras model name the same class; a range is over "
            "the runtimes",
            "agree",
        ),
        *(Column(name, "ms", f"{TIME} {RUNTIME_NAMES.get(name, f'in {name}')}{SPREAD}") for name in runtimes),
        *([Column("speed-up", "", f"time in cpu ÷ time in xnnpack, {PAIRED}", "vs cpu")] if _both(runtimes) else []),
        Column(
            "vs float",
            "",
            f"time of the float artifact ÷ time of this one, in xnnpack where it runs, {PAIRED}; above 1 is faster; "
            f"{UNDECIDED}: the interval holds 1",
        ),
        Column("size", "MB", "size of the artifact, 10⁶ bytes"),
        Column("ratio", "", "size ÷ size of the float artifact of the same exporter"),
    )


def _both(runtimes: Sequence[str]) -> bool:
    return {"cpu", "xnnpack"} <= set(runtimes)


def _row_key(cell: Cell) -> Key:
    return (*model_key(cell), *column_key(cell.quant, cell.export), cell.threads)


def _float_key(cell: Cell) -> tuple[str, ...]:
    return cell.task, cell.model, cell.toolchain, cell.export


def _label(cell: Cell, names: Labels) -> str:
    return names.model(cell) + (f" · {cell.threads} threads" if names.threads else "")


def _size(j: Judged) -> float | None:
    return shown.number(j.record, "size_bytes")


class _Row:
    """The cells of one row: one for each runtime."""

    def __init__(self, judged: list[Judged], names: Labels, notes: Notes) -> None:
        self.judged = sorted(judged, key=lambda j: place(j.record.cell.runtime, RUNTIMES))
        self.entry = entry(self.judged, names, notes)
        self._notes = notes
        self._by_runtime = {j.record.cell.runtime: j for j in self.judged}

    def fraction(self, column: str) -> Shown:
        """Return a fraction in percent; a span when the runtimes differ."""
        return self._span(column, shown.percent)

    def size(self) -> Shown:
        """Return the size of the artifact."""
        return self._span("size_bytes", shown.megabytes)

    def ratio(self, base: Judged | None) -> Shown:
        """Return the size against that of the float artifact."""
        own = next((size for j in self.judged if (size := _size(j))), None)
        if own is None:
            return self._absent(self.judged[0], "size_bytes")
        size = _size(base) if base else None
        if not size:
            return self._none("no float artifact of this exporter in the run")
        return Shown(f"{own / size:.2f}")

    def p50(self, runtime: str) -> Shown:
        """Return the median latency in one runtime."""
        j = self._by_runtime.get(runtime)
        if j is None:
            return Shown(NO_CELL, title="not part of the run")
        value = shown.number(j.record, "latency_p50_ms")
        if value is None:
            return self._absent(j, "latency_p50_ms")
        note = None
        if j.record.status == "noisy":
            note = self._notes.number("noisy: fewer than half of the runs were undisturbed")
        return Shown(shown.milliseconds(value), note, _latency_title(j), shown.spread(j.record))

    def speed_up(self) -> Shown:
        """Return how many times faster XNNPACK is than the built-in kernels, on the same machine."""
        pair = [self._by_runtime.get(name) for name in ("cpu", "xnnpack")]
        if pair == [None, None]:
            return Shown(NO_CELL, title="not part of the run")
        if stopped := [j for j in pair if j and j.record.status not in ("ok", "noisy")]:
            return self._absent(stopped[0], "speedup_vs_cpu")
        cpu, xnnpack = (j and shown.number(j.record, "latency_p50_ms") for j in pair)
        if not cpu or not xnnpack:
            return self._none("the speed-up needs the p50 of both cpu and xnnpack")
        if len({j.record.fingerprint for j in pair if j}) > 1:
            return self._none("cpu and xnnpack were measured on different machines or environments")
        paired = _paired(self._by_runtime["xnnpack"], "speedup_vs_cpu")
        why = self._by_runtime["xnnpack"].record.missing.get("speedup_vs_cpu")
        return paired or self._none(why or "cpu and xnnpack were not measured in the same rounds")

    def against_float(self) -> Shown:
        """Return how many times faster than the float artifact: the paired ratio on xnnpack, else elsewhere."""
        if self.judged[0].record.cell.quant == FLOAT:
            return Shown(NO_CELL, title="the float artifact itself")
        order = sorted(self.judged, key=lambda j: place(j.record.cell.runtime, ("xnnpack", *RUNTIMES)))
        found = (ratio for j in order if (ratio := _paired(j, "speedup_vs_float")))
        return next(found, None) or self._absent(order[0], "speedup_vs_float")

    def _span(self, column: str, form: Callable[[float], str]) -> Shown:
        numbers = sorted(n for j in self.judged if (n := shown.number(j.record, column)) is not None)
        if not numbers:
            best = min(self.judged, key=lambda j: column not in j.record.missing)
            return self._absent(best, column)
        low, high = form(numbers[0]), form(numbers[-1])
        title = _accuracy_title(self.judged[0]) if column == "top1" else ""
        return Shown(low if low == high else f"{low}–{high}", title=title)

    def _absent(self, j: Judged, column: str) -> Shown:
        """Return ``n/a`` for a value that a cell lacks: because it stopped, or by the reason it gave."""
        if j.record.status not in ("ok", "noisy"):
            return Shown(NO_VALUE, self.entry.shown.note, j.verdict.text)
        return self._none(j.record.missing.get(column, _UNSAID.get(column, f"{column}: {NO_REASON}")))

    def _none(self, why: str) -> Shown:
        return Shown(NO_VALUE, self._notes.number(why), why)


def _paired(j: Judged, column: str) -> Shown | None:
    """Return a paired ratio with its interval as the title, or None when the cell has none."""
    ratio = shown.number(j.record, column)
    if ratio is None:
        return None
    title = f"in {j.record.cell.runtime}"
    low, high = (shown.number(j.record, f"{column}_ci_{side}") for side in ("low", "high"))
    if low is not None and high is not None:
        title += f", interval {shown.times(low)}–{shown.times(high)}"
    undecided = low is not None and high is not None and low <= 1 <= high
    return Shown((UNDECIDED if undecided else "") + shown.times(ratio), title=title)


def _accuracy_title(j: Judged) -> str:
    """Return the interval of a top-1 and what it was measured on, for the title of its field."""
    images, low, high = (shown.number(j.record, name) for name in ("images", "top1_ci_low", "top1_ci_high"))
    parts = [] if images is None else [f"{images:.0f} images"]
    if low is not None and high is not None:
        parts.append(f"95 % interval {shown.percent(low)}–{shown.percent(high)} %")
    return ", ".join(parts)


def _latency_title(j: Judged) -> str:
    """Return what else is known of a latency, for the title of its field."""
    parts = []
    for column, name in (("latency_min_ms", "min"), ("latency_p90_ms", "p90")):
        number = shown.number(j.record, column)
        parts += [] if number is None else [f"{name} {shown.milliseconds(number)} ms"]
    low, high = (shown.number(j.record, f"latency_ci_{side}_ms") for side in ("low", "high"))
    if low is not None and high is not None:
        parts.append(f"interval {shown.milliseconds(low)}–{shown.milliseconds(high)} ms")
    share = shown.number(j.record, "clean_fraction")
    parts += [] if share is None else [f"{100 * share:.0f} % of runs undisturbed"]
    return ", ".join(parts)
