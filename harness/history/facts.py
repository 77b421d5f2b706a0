"""What is not noise: status, sizes and shares against the median of the runs before, accuracy image by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median_low

from harness.compare import accuracy, shares
from harness.compare.artifacts import number
from harness.compare.findings import Finding, Grade, Section
from harness.compare.pairing import Pair, Side
from harness.compare.status import WORKS, described, why
from harness.history.tracks import Track
from harness.records import Record
from harness.report import shown
from harness.tables.regression import Regression, Rule


def findings(tracks: Iterable[Track], runs: Side, limits: Regression, window: int) -> Iterator[Finding]:
    """Return a line for each cell of the newest night whose facts are not those of the ``window`` runs before."""
    looked = [(t.label, t.records[-window - 1 : -1], t.records[-1]) for t in tracks if t.live and len(t.records) > 1]
    for label, before, last in looked:
        yield from _status(label, before, last)
        moved = [
            *_columns(label, before, last, limits.artifacts, "artifacts"),
            *_columns(label, _of_as_many_images(before, last), last, limits.fidelity, "accuracy"),
        ]
        yield from (shares.weighed(one, [last], limits.significance) for one in moved)
    yield from accuracy.findings([_typical(*one) for one in looked], runs, runs, limits)


def _of_as_many_images(before: Sequence[Record], last: Record) -> list[Record]:
    return [record for record in before if shares.images(record) == shares.images(last)]


def _status(label: str, before: Sequence[Record], last: Record) -> Iterator[Finding]:
    """A cell that mostly worked and does not is a regression; one that never did may change its reason."""
    worked, works = _mostly_worked(before), last.status in WORKS
    usual, now = Counter(map(described, before)).most_common(1)[0][0], described(last)
    told = f": {why(last)}" if last.failure and not works else ""
    when = f"in most of {len(before)} runs before" if len(before) > 1 else "in the run before"
    text = f"{usual} {when} → {now}{told}"
    if worked and not works:
        yield Finding("status", "regression", label, "new_failure", text, usual, now)
    elif works and not worked:
        yield Finding("status", "improvement", label, "fixed", text, usual, now)
    elif not works and now not in set(map(described, before)):
        yield Finding("status", "note", label, "changed_reason", text, usual, now)


def _mostly_worked(before: Sequence[Record]) -> bool:
    return 2 * sum(record.status in WORKS for record in before) >= len(before)


def _columns(
    label: str, before: Sequence[Record], last: Record, rules: Mapping[str, Rule], section: Section
) -> Iterator[Finding]:
    for column, rule in rules.items():
        now = number(last, column)
        known = [value for record in before if (value := number(record, column)) is not None]
        if now is None or not known:
            continue
        usual = median_low(known)
        grade = rule.grade(usual, now)
        if grade == "same":
            continue
        step = f" ({shown.times(now / usual)})" if rule.relative and usual else ""
        text = f"{column} {shown.value(column, usual)} in {len(known)} runs before → {shown.value(column, now)}{step}"
        made: Grade = "regression" if grade == "worse" else "improvement"
        yield Finding(section, made, label, column, text, usual, now, now / usual if step else now - usual)


def _typical(label: str, before: Sequence[Record], last: Record) -> Pair:
    """Pair the newest run with the newest of those before it that has their median top-1."""
    known = [record for record in before if number(record, "top1") is not None]
    if not known:
        return Pair(label, (), (last,))
    usual = median_low(record.values["top1"] for record in known)  # type: ignore[type-var]
    return Pair(label, tuple(record for record in known if record.values["top1"] == usual)[-1:], (last,))
