"""What a reader must know before believing the numbers: one line each, each a function of the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from harness.records import Record
from harness.report.matrix import Labels
from harness.report.shown import half_width, milliseconds, some
from harness.tables.verdict import Judged

SAME = 0.03
"""CPU and XNNPACK this close to each other are the same kernels."""
WIDE = 0.1
"""Intervals that reach so far from their median, in a tenth of the cells, are worth a line."""


def remarks(judged: Sequence[Judged], names: Labels) -> tuple[str, ...]:
    """Return the lines, most serious first."""
    records = [j.record for j in judged]
    return (
        *_baseline_off(records, names),
        *_noisy(records, names),
        *spread(records),
        *_machines(records),
        *_not_delegated(records, names),
    )


def _baseline_off(records: Sequence[Record], names: Labels) -> Iterator[str]:
    off = dict.fromkeys(names.model(r.cell) for r in records if r.values.get("baseline_off") is True)
    if off:
        yield (
            f"baseline off: {', '.join(off)}. The float top-1 misses the published figure by more than the "
            "allowed margin, so nothing of these models is clean."
        )


def _noisy(records: Sequence[Record], names: Labels) -> Iterator[str]:
    noisy = [names.cell(r.cell) for r in records if r.status == "noisy"]
    if noisy:
        yield (
            f"noisy latency in {len(noisy)} of {len(records)} cells (under half of the samples were clean): "
            + some(noisy)
        )


def spread(records: Sequence[Record]) -> Iterator[str]:
    """Say how far two latencies must be apart to mean anything, where their intervals are wide."""
    widths = sorted(width for r in records if (width := half_width(r)) is not None)
    if not widths or (high := widths[len(widths) * 9 // 10]) < WIDE:
        return
    unsteady, middle = sum(r.values.get("unsteady") is True for r in records), widths[len(widths) // 2]
    yield (
        f"latencies: the interval over processes reaches {middle:.0%} from the median in the middle of {len(widths)} "
        f"cells, {high:.0%} or more in a tenth of them; {unsteady} drifted within a process. Smaller differences mean "
        "nothing; ratios are paired and surer."
    )


def _machines(records: Sequence[Record]) -> Iterator[str]:
    prints: dict[str, set[str]] = defaultdict(set)
    for r in records:  # toolchains differ on purpose, so each is looked at alone
        prints[r.cell.toolchain].add(r.fingerprint)
    most = max(map(len, prints.values()), default=0)
    if most > 1:
        yield (
            f"measured on {most} different machines or environments: absolute times must not be compared across them."
        )


def _not_delegated(records: Sequence[Record], names: Labels) -> Iterator[str]:
    """Say where the CPU and XNNPACK columns are the same: nothing that counts was delegated there."""
    pairs: dict[tuple[object, ...], dict[str, Record]] = defaultdict(dict)
    for r in records:
        c = r.cell
        pairs[r.run, c.task, c.model, c.toolchain, c.quant, c.export, c.threads, r.fingerprint][c.runtime] = r
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair in pairs.values():
        cpu, xnnpack = pair.get("cpu"), pair.get("xnnpack")
        if cpu is None or xnnpack is None:
            continue
        plain, delegated = (r.values.get("latency_p50_ms") for r in (cpu, xnnpack))
        if not isinstance(plain, int | float) or not isinstance(delegated, int | float) or not plain:
            continue
        if abs(delegated - plain) <= SAME * plain:
            times = f"{milliseconds(plain)} and {milliseconds(delegated)} ms{_left(xnnpack)}"
            same[f"{cpu.cell.quant} {cpu.cell.export}", _delegate(xnnpack)].append(f"{names.model(cpu.cell)} ({times})")
    for (form, why), who in same.items():
        yield f"{form}: cpu and xnnpack are the same within {SAME:.0%} for {some(who)}: {why}"


def _delegate(record: Record) -> str:
    """Return what the audit knows of the delegate's share."""
    if not record.values.get("partitions"):
        return "the delegate was not applied."
    return "the delegate was not applied to what takes the time."


def _left(record: Record) -> str:
    partitions, outside = (record.values.get(name) for name in ("partitions", "undelegated_ops"))
    if not partitions:
        return ""
    return f", {partitions} partitions" + ("" if outside is None else f", {outside} operators outside")
