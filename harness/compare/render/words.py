"""Words that all renderings share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from harness.compare.comparison import Comparison
from harness.compare.findings import GRADES, SECTIONS, Finding, Grade, Section
from harness.compare.render.summed import summed

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
    return f"{cells} cells on both sides: {counted(comparison.findings) or 'no difference'}"


def counted(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each grade, nothing when there are none."""
    counts = Counter(one.grade for one in findings)
    return ", ".join(f"{counts[g]} {_PLURALS[g][counts[g] != 1]}" for g in GRADES if counts[g])


def sides(comparison: Comparison) -> str:
    """Return what was held against what."""
    return f"{comparison.cand.title} against the base {comparison.base.title}"


def sections(comparison: Comparison) -> Iterator[tuple[Section, tuple[Finding, ...]]]:
    """Return the sections that have something to say, in their order; what many cells share is one line."""
    for section in SECTIONS:
        found = summed([one for one in comparison.findings if one.section == section])
        if found:
            yield section, found
