"""The whole comparison: both sides read, paired, and looked at in four sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.compare import accuracy, artifacts, findings, known, latency, machines, status
from harness.compare.findings import Finding
from harness.compare.machines import Across
from harness.compare.pairing import Pair, Side, pairs, run_file, side
from harness.known_issues import KnownIssue
from harness.tables.regression import Regression


@dataclass(frozen=True, slots=True)
class Ask:
    """What a comparison is asked for."""

    limits: Regression
    across: Across = "nothing"
    """Compare latencies also where the fingerprints differ: by versions of packages alone, or by anything."""
    subset: bool = False
    """The candidate has fewer cells on purpose."""
    known: Mapping[str, KnownIssue] = field(default_factory=dict)
    """Failures that are expected, by name."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out."""

    base: Side
    cand: Side
    pairs: tuple[Pair, ...]
    steps: tuple[latency.Step, ...]
    """The cells whose latency was compared."""
    findings: tuple[Finding, ...]
    """By section, then by weight."""
    remarks: tuple[str, ...]
    """What to know before believing it."""
    limits: Regression

    @property
    def regressions(self) -> tuple[Finding, ...]:
        """The findings that stop a build."""
        return tuple(one for one in self.findings if one.grade == "regression")

    @property
    def code(self) -> int:
        """Exit code: 1 on regression, else 0."""
        return 1 if self.regressions else 0


def compare(base: Sequence[str | Path], cand: Sequence[str | Path], ask: Ask) -> Comparison:
    """Return the comparison of runs (folders, ``records.jsonl`` files, globs). Raises ``UserError``."""
    return compared(side("base", *base), side("candidate", *cand), ask)


def compared(base: Side, cand: Side, ask: Ask) -> Comparison:
    """Return the comparison of two sides. Raises ``UserError`` when they have no cell in common."""
    both = pairs(base, cand)
    limits = ask.limits
    apart = machines.apart(both, base, cand)
    alike = machines.comparable(both, apart, ask.across)
    steps = latency.steps(alike, base, cand, limits)
    expected = list(known.findings(both, base, cand, ask.known))
    settled = {one.cell for one in expected}
    found = [
        *expected,
        *(one for one in status.findings(both, subset=ask.subset) if one.cell not in settled),
        *artifacts.findings(both, limits.artifacts, limits.significance),
        *accuracy.findings(both, base, cand, limits),
        *artifacts.findings(both, limits.fidelity, limits.significance, "accuracy"),
        *latency.findings(steps, limits),
    ]
    told = (
        *base.problems,
        *cand.problems,
        *_unfinished(base, cand),
        *machines.remarks(apart, base, cand, ask.across),
        *latency.remarks(steps, alike, limits),
        *known.remarks(cand, ask.known),
    )
    return Comparison(base, cand, both, tuple(steps), tuple(sorted(found, key=findings.key)), told, limits)


def _unfinished(*sides: Side) -> Iterator[str]:
    for one in sides:
        for run in one.runs:
            if run_file(one, run, "run.json").get("complete") is False:
                yield f"{one.name}: {run} is not finished, so cells may be missing"
