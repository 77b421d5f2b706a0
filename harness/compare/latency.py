"""Latency: intervals over processes, Mann–Whitney where there are enough of them, and a ratio as the effect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.compare import power
from harness.compare.correction import Test, adjusted
from harness.compare.findings import Finding, Grade
from harness.compare.pairing import Pair, Side
from harness.compare.rounds import Measured, is_noisy, measured
from harness.report.shown import milliseconds, times
from harness.tables.regression import Regression

COMMON_CELLS = 5
"""Cells that it takes to say that the machine as a whole moved."""


@dataclass(frozen=True, slots=True)
class Step:
    """The latency of one cell on both sides."""

    cell: str
    base: Measured
    cand: Measured
    adjusted_p: float | None = None
    elsewhere: bool = False
    """The sides were measured on other machines or with other versions: base and candidate cannot be measured again."""

    @property
    def ratio(self) -> float:
        """Candidate ÷ base: above 1 is slower."""
        return self.cand.p50_ms / self.base.p50_ms

    @property
    def single(self) -> bool:
        """True when a side has no interval, because it is of one process."""
        return self.base.interval_ms is None or self.cand.interval_ms is None

    @property
    def same(self) -> bool:
        """True when both sides are one measurement, served from the cache."""
        return bool(self.base.medians_ms) and self.base.medians_ms == self.cand.medians_ms

    @property
    def apart(self) -> bool:
        """True when the intervals do not overlap."""
        first, second = self.base.interval_ms, self.cand.interval_ms
        if first is None or second is None:
            return False
        return second[0] > first[1] or second[1] < first[0]

    @property
    def test(self) -> Test | None:
        """Mann–Whitney over the medians of the processes, two-sided, exact; None when a side has fewer than two."""
        first, second = self.base.medians_ms, self.cand.medians_ms
        if self.same or min(len(first), len(second)) < 2:
            return None
        return mann_whitney(first, second)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> Test:
    """Return the exact two-sided test; its floor is 2 in C(m + n, m) orders."""
    from scipy.stats import mannwhitneyu

    exact = len(set(first) | set(second)) == len(first) + len(second) and len(first) * len(second) <= 400
    p = float(mannwhitneyu(first, second, method="exact" if exact else "asymptotic").pvalue)
    return Test(min(1.0, p), min(1.0, 2 / math.comb(len(first) + len(second), len(first))))


def steps(pairs: Sequence[Pair], base: Side, cand: Side, limits: Regression) -> list[Step]:
    """Return the latencies of both sides of some cells, p-values corrected for their number.

    ``pairs`` are those that can be held against each other (``machines.comparable``).
    """
    found = []
    for pair in pairs:
        before, after = measured(base, pair.base), measured(cand, pair.cand)
        if before is not None and after is not None:
            there = pair.base[-1].fingerprint != pair.cand[-1].fingerprint
            found.append(Step(pair.cell, before, after, elsewhere=there))
    tested = [(i, test) for i, step in enumerate(found) if (test := step.test) is not None]
    corrected = adjusted([test for _, test in tested], limits.significance, limits.correction)
    for (i, _), p in zip(tested, corrected, strict=True):
        found[i] = replace(found[i], adjusted_p=p)
    return found


def findings(found: Sequence[Step], limits: Regression) -> Iterator[Finding]:
    """Return a line for each cell that is slower or faster by more than the threshold and more than chance."""
    for step in found:
        if moved(step, limits):
            grade: Grade = "regression" if step.ratio > 1 else "improvement"
            yield Finding(
                "latency", grade, step.cell, "latency_p50_ms", described(step), step.base.p50_ms, step.cand.p50_ms,
                step.ratio, step.test.p if step.test else None, step.adjusted_p,
            )  # fmt: skip


def moved(step: Step, limits: Regression) -> bool:
    """Say whether a step counts: past its threshold, intervals apart, and the test agrees where it could reject."""
    size = abs(math.log(step.ratio))
    doubtful = step.single or step.elsewhere
    if step.same or size < math.log1p(limits.latency_single if doubtful else limits.latency):
        return False
    able = step.adjusted_p is None or step.adjusted_p < limits.significance
    return able and (step.single or step.apart)


def described(step: Step) -> str:
    """Return both latencies, the ratio, and what the evidence is."""
    numbers = f"{milliseconds(step.base.p50_ms)} → {milliseconds(step.cand.p50_ms)} ms ({times(step.ratio)})"
    first, second = step.base.interval_ms, step.cand.interval_ms
    if first is None or second is None:
        return f"{numbers}; a single process on a side: no interval, the threshold alone says so"
    spans = " and ".join("…".join(map(milliseconds, span)) for span in (first, second))
    return f"{numbers}; intervals {spans} ms apart; {_tested(step)}"


def _tested(step: Step) -> str:
    test, counts = step.test, f"{len(step.base.medians_ms)} against {len(step.cand.medians_ms)} processes"
    if test is None:
        return "no samples stored for a test"
    if step.adjusted_p is None:
        return f"Mann–Whitney p = {test.p:.2g}, and {counts} cannot give less than {test.floor:.2g}: it does not decide"
    return f"Mann–Whitney p = {test.p:.2g}, {step.adjusted_p:.2g} corrected ({counts})"


def remarks(found: Sequence[Step], pairs: Sequence[Pair], limits: Regression) -> Iterator[str]:
    """Say what all cells have in common, which of ``pairs`` were too noisy, and what a single process can find."""
    disturbed = [tuple(map(is_noisy, pair.latest)) for pair in pairs if pair.latest is not None]
    if any(map(any, disturbed)):
        sides = [sum(of) for of in zip(*disturbed, strict=True)]
        yield (
            f"latency of {sum(map(any, disturbed))} cells is not compared, for it was too noisy: "
            f"{sides[0]} in the base, {sides[1]} in the candidate"
        )
    same = sum(step.same for step in found)
    if same:
        yield f"latency of {same} cells is the same measurement on both sides, served from the cache"
    single = sum(step.single and not step.same for step in found)
    if single:
        yield f"latency of {single} cells rests on a single process on a side: {_single_power(limits)}"
    ratios = [step.ratio for step in found if not step.same]
    middle = float(np.median(ratios)) if len(ratios) >= COMMON_CELLS else 1.0
    if abs(math.log(middle)) > math.log1p(limits.latency) / 2:
        word = "slower" if middle > 1 else "faster"
        yield f"all {len(ratios)} cells together got {word} ({times(middle)} in the middle): look at the machine first"


def _single_power(limits: Regression) -> str:
    found = power.detectable_ratio(limits.noise, limits.latency_single) - 1
    alarms = 1000 * power.false_alarms(limits.noise, limits.latency_single)
    return (
        f"with a spread of {limits.noise:.0%} from process to process a slow-down of {found:.0%} is found in 4 of 5 "
        f"cases, and {alarms:.2g} in 1,000 equal cells alarm; measure=full has 3 processes"
    )
