"""What the artifacts are: size, integer share, delegate, sparsity; and how near they are to the float model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from harness.compare import shares
from harness.compare.findings import Finding, Grade, Section
from harness.compare.pairing import Pair
from harness.records import Record
from harness.report import shown
from harness.tables.regression import Rule


def findings(
    pairs: Iterable[Pair], rules: Mapping[str, Rule], significance: float, section: Section = "artifacts"
) -> Iterator[Finding]:
    """Return a line for each column that moved further than its rule allows, and than chance (``shares``).

    A column that only one side has is said when the other side worked: nobody knows then whether it got worse.
    """
    for pair in pairs:
        both = pair.latest
        if both is None:
            continue
        for column, rule in rules.items():
            found = _moved(pair.cell, column, rule, both, section)
            if found is not None and section == "accuracy" and found.grade != "note":
                found = shares.on_common_images(found, *both)
            if found is not None:
                yield shares.weighed(found, both, significance)


def _moved(cell: str, column: str, rule: Rule, both: tuple[Record, Record], section: Section) -> Finding | None:
    base, cand = (number(record, column) for record in both)
    if base is None and cand is None:
        return None
    if base is None or cand is None:
        if any(record.failure is not None and record.status != "noisy" for record in both):
            return None  # the section on status has said it
        who, record = ("base", both[0]) if base is None else ("candidate", both[1])
        why = record.missing.get(column, shown.NO_REASON)
        return Finding(section, "note", cell, column, f"{column} is missing in the {who}: {why}", base, cand)
    grade = rule.grade(base, cand)
    if grade == "same":
        return None
    ratio = cand / base if base else None
    relative = ratio is not None and (column.endswith("_bytes") or rule.relative > 0)
    step = shown.times(ratio) if relative and ratio is not None else f"{cand - base:+.4g}"
    text = f"{column} {_text(column, both[0])} → {_text(column, both[1])} ({step})"
    made: Grade = "regression" if grade == "worse" else "improvement"
    return Finding(section, made, cell, column, text, base, cand, ratio if relative else cand - base)


def number(record: Record, column: str) -> float | None:
    """Return a value of a record that is a finite number (whole ones stay whole), else None."""
    value = record.values.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _text(column: str, record: Record) -> str:
    return shown.value(column, record.values.get(column))
