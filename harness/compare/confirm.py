"""Suspected slow-downs measured again before they count: base and candidate in turn, right here.

What is confirmed stays a regression. What is refuted becomes a note. What cannot be measured again stays the
regression that it was, marked *unconfirmed*: to lose an artifact must not hide a slow-down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness import environment, locks
from harness.compare import again, findings
from harness.compare.again import Gone, Subject
from harness.compare.comparison import Comparison
from harness.compare.findings import Finding
from harness.compare.pairing import Pair
from harness.metrics import latency
from harness.metrics.latency import Round
from harness.records import Record
from harness.report.shown import times
from harness.tables.regression import Regression

FEWEST = 3
"""Undisturbed pairs that it takes to say anything."""
Measure = Callable[[Subject], Round]
Tell = Callable[[str], None]


@dataclass(slots=True)
class _Suspect:
    """A cell on the way to its second verdict."""

    pair: Pair
    subjects: tuple[Subject, Subject] | None = None
    """Base and candidate."""
    rounds: list[tuple[Round, Round]] = field(default_factory=list)
    """The pairs that ran undisturbed."""
    trouble: str = ""
    """Why it cannot be measured."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Literal["confirmed", "refuted", "unconfirmed"]
    text: str


def confirmed(
    found: Comparison,
    plugins_dir: str | None = None,
    measure: Measure = again.measured,
    tell: Tell = lambda _: None,
) -> Comparison:
    """Return the comparison with every suspected slow-down measured again.

    ``plugins_dir``: where runtimes of the user's own are; ``tell`` is given a line before each turn.
    """
    slow = [one.cell for one in found.findings if _suspected(one)]
    pairs = {pair.cell: pair for pair in found.pairs}
    suspects = {cell: _Suspect(pairs[cell]) for cell in slow}
    if not suspects:
        return found
    here = environment.fingerprint(environment.current())
    for one in suspects.values():
        _prepare(one, found, here, plugins_dir)
    _measure(suspects, found.limits.confirm_pairs, measure, tell)
    told = (_judged(one, suspects.get(one.cell), found.limits) for one in found.findings)
    return replace(found, findings=tuple(sorted(told, key=findings.key)))


def _suspected(one: Finding) -> bool:
    return one.section == "latency" and one.grade == "regression"


def _prepare(one: _Suspect, found: Comparison, here: str, plugins_dir: str | None) -> None:
    assert one.pair.latest is not None
    base, cand = one.pair.latest
    try:
        for side, record in ((found.base, base), (found.cand, cand)):
            if record.fingerprint != here:
                raise Gone(f"the {side.name} was measured on another machine or in another environment than this")
        effort = _effort(cand)
        first = again.subject(found.base, base, effort, plugins_dir)
        one.subjects = first, again.subject(found.cand, cand, effort, plugins_dir)
    except Gone as gone:
        one.trouble = str(gone)


def _effort(record: Record) -> Mapping[str, object]:
    """Return how a cell was measured, which both sides are now. Raises ``Gone``."""
    effort = record.options.get("measure")
    if not isinstance(effort, dict):
        raise Gone("the candidate does not say how it was measured")
    return effort


def _measure(suspects: Mapping[str, _Suspect], pairs: int, measure: Measure, tell: Tell) -> None:
    """Measure a pair of each suspect, time after time; disturbed ones are made up for, up to twice as many turns."""
    order = random.Random(0)
    for _ in range(2 * pairs):
        left = [one for one in suspects.values() if not one.trouble and len(one.rounds) < pairs]
        if not left:
            return
        least = min(len(one.rounds) for one in left)
        tell(f"suspected cells are measured again: {len(left)}, pair {least + 1} of {pairs}")
        with locks.measuring(lambda pid: tell(f"waiting: {locks.named(pid)} measures or converts on this machine")):
            for one in order.sample(left, len(left)):
                _pair(one, measure, order)


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


def _judged(one: Finding, suspect: _Suspect | None, limits: Regression) -> Finding:
    if suspect is None or not _suspected(one):
        return one
    verdict = _verdict(suspect, limits)
    grade: findings.Grade = "note" if verdict.outcome == "refuted" else "regression"
    return replace(one, grade=grade, text=f"{one.text}; {verdict.text}", again=verdict.outcome)


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


def _verdict(suspect: _Suspect, limits: Regression) -> _Verdict:
    count = len(suspect.rounds)
    if suspect.trouble:
        return _Verdict("unconfirmed", f"unconfirmed: {suspect.trouble}")
    if count < FEWEST:
        return _Verdict("unconfirmed", f"unconfirmed: only {count} pairs ran undisturbed")
    found = again_slower(suspect.rounds, limits)
    span = "" if found.low is None or found.high is None else f" ({times(found.low)} … {times(found.high)})"
    said = f"{times(found.ratio)}{span} in {count} pairs measured in turn"
    if found.slower:
        return _Verdict("confirmed", f"confirmed: {said}")
    same = "; both are the same file" if _same_file(suspect.pair) else ""
    return _Verdict("refuted", f"not confirmed: {said}{same}")


def _same_file(pair: Pair) -> bool:
    base, cand = pair.latest or (None, None)
    return base is not None and cand is not None and base.artifact_sha256 == cand.artifact_sha256 is not None
