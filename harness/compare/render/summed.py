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
    "known_issue": "{text}",
}
_DOUBTS = {
    "chance": "moved by so few images that it may be chance",
    "other_images": "is of more images on one side, which may be all that moved it",
}
"""Kind → what its cells have in common."""


def summed(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings; missing, new, known and doubtful ones of which the same is to be said are one where many.

    A sum stands where its first cell stood.
    """
    groups: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for number, one in enumerate(found):
        said = _said(one)
        groups[(number,) if said is None else (one.grade, one.kind, said)].append(one)
    return tuple(line for group in groups.values() for line in (group if len(group) <= FEW else [_sum(group)]))


def _said(one: Finding) -> str | None:
    """Return what is the same of all cells of a sum; None for what stands alone."""
    if one.doubt is not None:
        return f"{one.kind} {_DOUBTS[one.doubt]}"
    words = _WORDS.get(one.kind)
    return None if words is None else words.format(base=one.base, cand=one.cand, text=one.text)


def _sum(group: Sequence[Finding]) -> Finding:
    first = group[0]
    named = ", ".join(one.cell for one in group[:NAMED])
    return replace(first, cell=_title(group), text=f"{_said(first)}: {named} and {len(group) - NAMED} more")


def _title(group: Sequence[Finding]) -> str:
    models = dict.fromkeys(one.cell.rpartition(": ")[2].partition("/")[0] for one in group)
    return f"{len(group)} cells of {next(iter(models)) if len(models) == 1 else f'{len(models)} models'}"
