"""The old pruning table beside what was measured: ratios are compared, absolute times of another machine are not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.records import Cell, Record
from harness.report.claims import Pruning, Variant
from harness.report.markdown import escape, table
from harness.report.shown import INTERVAL, clip, one_line
from harness.tables.order import cell_key
from harness.tables.verdict import Judged

HEAD = ("variant", "what", "claimed", "measured", "holds?", "likely cause")
SINGLE = 1.5
"""A single pair of runs, which has no interval, may be wrong by this factor."""
SLACK = 0.02
"""A ratio holds within this share of what was measured, or of the ends of its interval."""
EXPLAINED = """\
Ratios to the original. A claimed one holds when it lies in the interval of the measured one, give or take 2 %;
where 1, no change at all, lies so near as well, the measurement does not decide. {interval} A single pair of runs is
given a factor of {single:g} either way. The claimed times ({times} s) are of another machine: they are not compared."""
Cells = dict[Cell, Judged]
Ratio = tuple[float, float, float]
"""Value, and the interval it lies in."""


def block(judged: Sequence[Judged], claims: Pruning) -> str:
    """Return the table for the model of the claims, or that the run has nothing to say and what would."""
    cells = {j.record.cell: j for j in judged if j.record.cell.model == claims.model}
    lines = [line for row in claims.rows if row.quant != "none" for line in _lines(row, cells)]
    if not lines:
        quants = ",".join(row.quant for row in claims.rows)
        return (f"Not run: no cell of {escape(claims.model)}, pruned, in TFLite. This run would say it:\n\n"
                f"    python -m harness model={claims.model} 'quant=[{quants}]' task=photos")  # fmt: skip
    times = ", ".join(f"{row.latency_s:.4f}" for row in claims.rows)
    told = EXPLAINED.format(times=times, interval=INTERVAL, single=SINGLE)
    return f"{told}\n\n{table(HEAD, lines, ['---', '---', '--:', '--:', '---', '---'])}"


def _lines(row: Variant, cells: Cells) -> Iterator[list[str]]:
    """Return the lines of one variant: latency for each runtime, then size as a file and compressed."""
    found = sorted(
        (j for cell, j in cells.items() if cell.quant == row.quant and cell.export == "tflite"),
        key=lambda j: cell_key(j.record.cell),
    )
    for j in found:
        cell = j.record.cell
        where = f"latency, {cell.runtime}, {cell.threads} thread{'s' if cell.threads > 1 else ''}, {cell.task}"
        yield _line(row.named, where, row.latency_ratio, latency(j.record), j, row.latency_cause)
    for task in dict.fromkeys(j.record.cell.task for j in found):
        first = next(j for j in found if j.record.cell.task == task)
        original = cells.get(replace(first.record.cell, quant="none"))
        for column, what in (("size_bytes", "size, file"), ("gzip_bytes", "size, gzip")):
            ratio = size(first.record, original.record if original else None, column)
            yield _line(row.named, f"{what}, {task}", row.size_ratio, ratio, first, row.size_cause)


def _line(named: str, what: str, claimed: float, found: Ratio | None, j: Judged, cause: str) -> list[str]:
    if found is None:
        stopped = j.record.status not in ("ok", "noisy")
        why = j.verdict.text if stopped else "the original was not measured in the same run"
        return [escape(named), escape(what), f"{claimed:g}", "n/a", "not measured", escape(clip(one_line(why)))]
    value, low, high = found
    found_again = holds(claimed, low, high)
    span = "" if low == high else f" ({low:.3f}–{high:.3f})"
    return [escape(named), escape(what), f"{claimed:g}", f"{value:.3f}{span}", found_again,
            escape(cause) if found_again == "no" else "–"]  # fmt: skip


def holds(claimed: float, low: float, high: float) -> str:
    """Return ``yes``, ``no`` or ``undecided`` for a claimed ratio and the interval of the measured one."""
    if not low * (1 - SLACK) <= claimed <= high * (1 + SLACK):
        return "no"
    unchanged = low * (1 - SLACK) <= 1 <= high * (1 + SLACK)
    return "undecided" if unchanged and not math.isclose(claimed, 1) else "yes"


def latency(record: Record) -> Ratio | None:
    """Return time ÷ time of the original from pairs of runs, and its interval: of one pair ``SINGLE`` either way."""
    speed_up = _number(record, "speedup_vs_float")
    if speed_up is None:
        return None
    ends = (_number(record, f"speedup_vs_float_ci_{side}") for side in ("high", "low"))
    high, low = (end or speed_up * wide for end, wide in zip(ends, (SINGLE, 1 / SINGLE), strict=True))
    return 1 / speed_up, 1 / high, 1 / low


def size(record: Record, original: Record | None, column: str) -> Ratio | None:
    """Return size ÷ that of the original, three times: nothing about it is uncertain."""
    own, base = _number(record, column), _number(original, column) if original else None
    return (own / base,) * 3 if own and base else None


def _number(record: Record, column: str) -> float | None:
    value = record.values.get(column)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
