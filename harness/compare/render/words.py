"""Words that all renderings share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.compare.comparison import Comparison
from harness.compare.findings import GRADES, SECTIONS, Finding, Grade, Section
from harness.compare.render.summed import summed

MANY = 12
"""More known issues than these of one section, or more lines that are no regressions, are not told one by one."""
MARKS: dict[Grade, str] = {"regression": "✗", "known": "~", "improvement": "✓", "note": "·"}
TITLES: dict[Section, str] = {
    "status": "Status",
    "artifacts": "Artifacts",
    "accuracy": "Accuracy",
    "latency": "Latency",
}
_PLURALS: dict[Grade, tuple[str, str]] = {
    "regression": ("regression", "regressions"),
    "known": ("known issue", "known issues"),
    "improvement": ("improvement", "improvements"),
    "note": ("note", "notes"),
}


def headline(comparison: Comparison) -> str:
    """Return the outcome in one line."""
    cells = sum(pair.latest is not None for pair in comparison.pairs)
    return f"{cells} cell{'s' * (cells != 1)} on both sides: {counted(comparison.findings) or 'no difference'}"


def counted(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each grade, nothing when there are none."""
    counts = Counter(one.grade for one in findings)
    return ", ".join(f"{counts[g]} {_PLURALS[g][counts[g] != 1]}" for g in GRADES if counts[g])


def sides(comparison: Comparison) -> str:
    """Return what was held against what."""
    return f"{comparison.cand.title} against the base {comparison.base.title}"


def sections(comparison: Comparison) -> Iterator[tuple[Section, tuple[Finding, ...]]]:
    """Return the sections that have something to say, those with a regression first; what many share is one line."""
    yield from sectioned(comparison.findings)


def sectioned(findings: Iterable[Finding]) -> list[tuple[Section, tuple[Finding, ...]]]:
    """Return findings by section, those with a regression first, the others in their order; many alike are one line."""
    every = list(findings)
    found = [(section, summed([one for one in every if one.section == section])) for section in SECTIONS]
    told = [(section, lines) for section, lines in found if lines]
    return sorted(told, key=lambda one: all(line.grade != "regression" for line in one[1]))


def shortened(found: Sequence[Finding]) -> tuple[tuple[Finding, ...], int]:
    """Return the lines of a section for a terminal, and how many known issues more there are."""
    known = [one for one in found if one.grade == "known"]
    left = set(map(id, known[MANY:]))
    return tuple(one for one in found if id(one) not in left), len(left)
