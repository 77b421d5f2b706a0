"""Many cells of which the same is to be said, in one line: for people. JSON and JUnit XML keep a line for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.compare.findings import Finding

FEW = 4
"""As many of a kind are named one by one."""
NAMED = 3
"""Cells that a summed line names."""
_WORDS = {
    "missing_cell": "not in the candidate; they were {base}",
    "new_cell": "not in the base; they are {cand}",
}
"""Kind → what its cells have in common."""


def summed(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, missing and new cells that were or are the same summed up where they are many.

    A sum stands where its first cell stood.
    """
    groups: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for number, one in enumerate(found):
        alike = (one.grade, one.kind, one.base, one.cand) if one.kind in _WORDS else (number,)
        groups[alike].append(one)
    return tuple(line for group in groups.values() for line in (group if len(group) <= FEW else [_sum(group)]))


def _sum(group: Sequence[Finding]) -> Finding:
    first = group[0]
    said = _WORDS[first.kind].format(base=first.base, cand=first.cand)
    named = ", ".join(one.cell for one in group[:NAMED])
    return replace(first, cell=_title(group), text=f"{said}: {named} and {len(group) - NAMED} more")


def _title(group: Sequence[Finding]) -> str:
    models = dict.fromkeys(one.cell.rpartition(": ")[2].partition("/")[0] for one in group)
    return f"{len(group)} cells of {next(iter(models)) if len(models) == 1 else f'{len(models)} models'}"
