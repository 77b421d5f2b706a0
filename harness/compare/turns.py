"""Two sides of a cell measured again in turn, right here, and what their pairs say.

What is confirmed is slower. What is refuted is not. What cannot be measured again is *unconfirmed*, and its finding
stays what it was: to lose an artifact must not hide a slow-down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness import environment, locks
from harness.compare import again
from harness.compare.again import Gone, Subject
from harness.compare.findings import Finding, Grade, key
from harness.compare.pairing import Side
from harness.metrics import latency
from harness.metrics.latency import Round
from harness.records import Record
from harness.report.shown import times
from harness.tables.regression import Regression

FEWEST = 3
"""Undisturbed pairs that it takes to say anything."""
Measure = Callable[[Subject], Round]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Turns:
    """How pairs are taken."""

    limits: Regression
    plugins_dir: str | None = None
    """Where runtimes of the user's own are."""
    measure: Measure = again.measured
    tell: Tell = lambda _: None
    """Is given a line before each turn."""


@dataclass(frozen=True, slots=True)
class Both:
    """A record of a cell on either side, and where it is from."""

    base: tuple[Side, Record]
    cand: tuple[Side, Record]

    @property
    def same_file(self) -> bool:
        """Both have one artifact, to the byte."""
        return self.base[1].artifact_sha256 == self.cand[1].artifact_sha256 is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    outcome: Literal["confirmed", "refuted", "unconfirmed"]
    text: str


@dataclass(slots=True)
class _Suspect:
    """A cell on the way to its verdict."""

    both: Both
    subjects: tuple[Subject, Subject] | None = None
    """Base and candidate."""
    rounds: list[tuple[Round, Round]] = field(default_factory=list)
    """The pairs that ran undisturbed."""
    trouble: str = ""
    """Why it cannot be measured."""


def suspects(found: Sequence[Finding]) -> set[str]:
    """Return the cells with a slow-down that counts."""
    return {one.cell for one in found if _is_suspected(one)}


def settled(found: Sequence[Finding], cells: Mapping[str, Both], how: Turns) -> tuple[Finding, ...]:
    """Measure both sides of some cells in turn; return the findings as that leaves them, in their order."""
    said = _verdicts(cells, how)
    return tuple(sorted((_judged(one, said.get(one.cell)) for one in found), key=key))


def _is_suspected(one: Finding) -> bool:
    return one.section == "latency" and one.grade == "regression"


def _judged(one: Finding, verdict: Verdict | None) -> Finding:
    """Return a finding as a second measurement leaves it: a note when that refuted it."""
    if verdict is None or not _is_suspected(one):
        return one
    grade: Grade = "note" if verdict.outcome == "refuted" else "regression"
    return replace(one, grade=grade, text=f"{one.text}; {verdict.text}", again=verdict.outcome)


def _verdicts(cells: Mapping[str, Both], how: Turns) -> dict[str, Verdict]:
    here = environment.fingerprint(environment.current())
    found = {cell: _prepared(both, here, how) for cell, both in cells.items()}
    _measure(found, how)
    return {cell: _verdict(one, how.limits) for cell, one in found.items()}


def _prepared(both: Both, here: str, how: Turns) -> _Suspect:
    one = _Suspect(both)
    try:
        for side, record in (both.base, both.cand):
            if record.cell.toolchain != "default":
                raise Gone(f"cells of toolchain {record.cell.toolchain} are not measured again, only those of this one")
            if record.fingerprint != here:
                raise Gone(f"the {side.name} was measured on another machine or in another environment than this")
        effort = _effort(both.cand[1])
        first, second = (again.subject(*half, effort, how.plugins_dir) for half in (both.base, both.cand))
        one.subjects = first, second
    except Gone as gone:
        one.trouble = str(gone)
    return one


def _effort(record: Record) -> Mapping[str, object]:
    """Return how a cell was measured, which both sides are now. Raises ``Gone``."""
    effort = record.options.get("measure")
    if not isinstance(effort, dict):
        raise Gone("the candidate does not say how it was measured")
    return effort


def _measure(suspects: Mapping[str, _Suspect], how: Turns) -> None:
    """Measure a pair of each suspect, time after time; disturbed ones are made up for, up to twice as many turns."""
    order, pairs = random.Random(0), how.limits.confirm_pairs
    for _ in range(2 * pairs):
        left = [one for one in suspects.values() if not one.trouble and len(one.rounds) < pairs]
        if not left:
            return
        least = min(len(one.rounds) for one in left)
        how.tell(f"suspected cells are measured again: {len(left)}, pair {least + 1} of {pairs}")
        with locks.measuring(lambda pid: how.tell(f"waiting: {locks.named(pid)} measures or converts on this machine")):
            for one in order.sample(left, len(left)):
                _pair(one, how.measure, order)


def _pair(one: _Suspect, measure: Measure, order: random.Random) -> None:
    """Measure base and candidate once, in random order; keep both when neither was disturbed."""
    assert one.subjects is not None
    taken: dict[int, Round] = {}
    try:
        for side in order.sample((0, 1), 2):
            taken[side] = measure(one.subjects[side])
    except Gone as gone:
        one.trouble = str(gone)
    else:
        if not any(latency.summarize([each])[0].get("noisy") for each in taken.values()):
            one.rounds.append((taken[0], taken[1]))


@dataclass(frozen=True, slots=True)
class Again:
    """What pairs of a second measurement say; ratios are candidate ÷ base."""

    ratio: float
    low: float | None
    """95 % interval over pairs; None with a single one."""
    high: float | None
    slower: bool


def again_slower(pairs: Sequence[tuple[Round, Round]], limits: Regression) -> Again:
    """Judge pairs of base and candidate: slower by the threshold again, and slower at all beyond doubt.

    Raises:
        ValueError: no pairs.
    """
    base, cand = ([pair[side] for pair in pairs] for side in (0, 1))
    ratio, low, high = latency.paired_ratio(cand, base)
    return Again(ratio, low, high, ratio >= 1 + limits.latency and low is not None and low > 1)


def _verdict(suspect: _Suspect, limits: Regression) -> Verdict:
    count = len(suspect.rounds)
    if suspect.trouble:
        return Verdict("unconfirmed", f"unconfirmed: {suspect.trouble}")
    if count < FEWEST:
        return Verdict("unconfirmed", f"unconfirmed: only {count} pairs ran undisturbed")
    found = again_slower(suspect.rounds, limits)
    span = "" if found.low is None or found.high is None else f" ({times(found.low)} … {times(found.high)})"
    said = f"{times(found.ratio)}{span} in {count} pairs measured in turn"
    if found.slower:
        return Verdict("confirmed", f"confirmed: {said}")
    same = "; both are the same file" if suspect.both.same_file else ""
    return Verdict("refuted", f"not confirmed: {said}{same}")
