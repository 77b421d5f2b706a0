"""In what the same cell under several toolchains differs: its verdict, its file, its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.records import Cell
from harness.report import shown
from harness.report.matrix import Labels
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, SYMBOLS, Shown, number
from harness.tables.verdict import Judged

ALL_RUNTIMES = "all"
"""Stands for the runtime in a change of the artifact, which is the same file for all of them."""
Group = dict[str, Judged]
"""Toolchain → the same cell under it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in which a cell, or its artifact, is not the same under all toolchains."""

    cell: Cell
    """Any of those compared."""
    model: str
    runtime: str
    what: str
    values: tuple[Shown, ...]
    """One for each toolchain."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column that is compared: how it is shown, and when two values of it are not the same."""

    title: str
    column: str
    form: Callable[[float], str]
    differ: Callable[[float, float], bool]
    calm: bool = False
    """Compared only where the measurement was not disturbed."""


def _apart(least: float) -> Callable[[float, float], bool]:
    return lambda a, b: abs(a - b) >= least


def _ratio(least: float) -> Callable[[float, float], bool]:
    return lambda a, b: abs(a - b) > least * max(abs(a), abs(b))


def _decibels(a: float, b: float) -> bool:
    return abs(min(a, 60) - min(b, 60)) >= 1  # above 60 dB nothing is left but the rounding of float32


def _whole(value: float) -> str:
    return f"{value:.0f}"


OF_ARTIFACT = (
    Quantity("size, MB", "size_bytes", shown.megabytes, _ratio(0.005)),
    Quantity("float ops", "float_ops", _whole, _apart(1)),
    Quantity("int8 multiply-adds, %", "int8_mac_share", shown.percent, _apart(0.001)),
)
OF_CELL = (
    Quantity("top-1, %", "top1", shown.percent, _apart(0.001)),
    Quantity("agreement, %", "agreement", shown.percent, _apart(0.001)),
    Quantity("SQNR, dB", "sqnr_db", "{:.1f}".format, _decibels),
    Quantity("undelegated ops", "undelegated_ops", _whole, _apart(1)),
    Quantity("p50, ms", "latency_p50_ms", shown.milliseconds, _ratio(0.1), calm=True),
)
EXPLAINED = (
    "The same float model, with the same weights, was exported, run and timed under each toolchain. Only what differs "
    "is shown: sizes by more than 0.5 %, undisturbed latencies by more than 10 %, shares from 0.1 points on, SQNR from "
    "1 dB on (all above 60 dB is one)."
)


def state(group: Group, order: Sequence[str], names: Labels, notes: Notes) -> Iterator[Change]:
    """Yield the change of the verdict, if it is one; a latency that was noisy this time is none."""

    def known(j: Judged) -> tuple[str | None, ...]:
        failure = None if j.record.status in ("ok", "noisy") else j.record.failure
        return (j.verdict.verdict, failure.stage, failure.reason) if failure else (j.verdict.verdict, j.verdict.metric)

    if len({known(j) for j in group.values()}) > 1:
        yield _change(group, names, "works", [_mark(group.get(name), notes) for name in order])


def _mark(j: Judged | None, notes: Notes) -> Shown:
    if j is None:
        return Shown(NO_CELL)
    symbol = SYMBOLS[j.verdict.verdict]
    return Shown(symbol) if j.verdict.verdict == "clean" else Shown(symbol, notes.number(j.verdict.text))


def of_artifact(group: Group, order: Sequence[str], names: Labels) -> Iterator[Change]:
    """Yield what differs in the file itself: size, arithmetic, operators."""
    for change in (*numbers(group, order, names, OF_ARTIFACT), *_ops(group, order, names)):
        yield replace(change, runtime=ALL_RUNTIMES)


def numbers(group: Group, order: Sequence[str], names: Labels, quantities: Sequence[Quantity]) -> Iterator[Change]:
    """Yield each quantity that is known under two toolchains or more and is not the same in all of them."""
    for one in quantities:
        known = {name: j for name, j in group.items() if not (one.calm and j.record.status == "noisy")}
        found = {name: value for name, j in known.items() if (value := number(j.record, one.column)) is not None}
        if len(found) > 1 and one.differ(min(found.values()), max(found.values())):
            texts = [one.form(found[name]) if name in found else NO_CELL for name in order]
            yield _change(group, names, one.title, [Shown(text) for text in texts])


def _ops(group: Group, order: Sequence[str], names: Labels) -> Iterator[Change]:
    """Yield the operators of which there are not as many under all toolchains."""
    found = {name: counts for name, j in group.items() if (counts := op_counts(j.record.details.get("ops")))}
    ops = sorted({op for counts in found.values() for op in counts})
    moved = [op for op in ops if len({counts[op] for counts in found.values()}) > 1]
    if moved:
        texts = (", ".join(f"{op} {found[n][op]}" for op in moved) if n in found else NO_CELL for n in order)
        yield _change(group, names, "operators", [Shown(text) for text in texts])


def op_counts(ops: Any) -> Counter[str]:
    """Return operator → count of what the audit found (operator → dtype → count), over all dtypes."""
    if not isinstance(ops, Mapping):
        return Counter()
    return Counter({str(op): sum(by.values()) for op, by in ops.items() if isinstance(by, Mapping)})


def _change(group: Group, names: Labels, what: str, values: Sequence[Shown]) -> Change:
    cell = next(iter(group.values())).record.cell
    return Change(cell, names.model(cell), names.runtime(cell), what, tuple(values))
