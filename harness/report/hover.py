"""What a field of the matrix says on hover: its reason, then the numbers of each cell behind it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records import Record
from harness.report.matrix import Entry, Labels
from harness.report.shown import megabytes, milliseconds, number, percent


def hover(entry: Entry, names: Labels) -> str:
    """Return the text, a line for each cell that has numbers."""
    lines = [f"{names.runtime(j.record.cell)}: {', '.join(_numbers(j.record))}" for j in entry.judged]
    return "\n".join([entry.shown.title, *(line for line in lines if not line.endswith(": "))])


def _numbers(record: Record) -> Iterator[str]:
    top1, cosine, ms, size = (number(record, name) for name in ("top1", "cosine", "latency_p50_ms", "size_bytes"))
    if top1 is not None:
        yield f"top-1 {percent(top1)} %"
    elif cosine is not None:
        yield f"cosine {cosine:.3f}"
    if ms is not None:
        yield f"{milliseconds(ms)} ms"
    if size is not None:
        yield f"{megabytes(size)} MB"
