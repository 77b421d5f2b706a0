"""Failures that are expected: they are shown and stop no build; one that is gone does, until its entry goes too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.compare.findings import Finding
from harness.compare.pairing import Pair, Side, environments
from harness.compare.status import WORKS, described, why
from harness.known_issues import KnownIssue
from harness.records import Record

Issues = Mapping[str, KnownIssue]
Versions = Mapping[tuple[str, str], Mapping[str, str]]


def findings(pairs: Iterable[Pair], base: Side, cand: Side, issues: Issues) -> Iterator[Finding]:
    """Return a line for each cell of the candidate that fails as expected, or no longer does."""
    old, new = _versions(base), _versions(cand)
    for pair in pairs:
        if not pair.cand:
            continue
        now, was = pair.cand[-1], pair.base[-1] if pair.base else None
        name = _explained(now, issues, new)
        before = None if was is None else _explained(was, issues, old)
        if name is not None:
            yield _expected(pair.cell, f"{name}: {issues[name].about} ({issues[name].link})", was, now)
        elif was is not None and before is not None and now.status in WORKS:
            text = f"{described(was)} → {now.status}: {before} is over, so its entry among the known issues has to go"
            yield Finding("status", "regression", pair.cell, "known_issue_over", text, described(was), now.status)
        elif was is not None and before is not None and now.failure is not None:
            text = f"{described(was)} → {described(now)}, but no longer as {before}: {why(now)}"
            yield Finding("status", "note", pair.cell, "changed_reason", text, described(was), described(now))


def _expected(cell: str, about: str, was: Record | None, now: Record) -> Finding:
    then = None if was is None else described(was)
    step = f"{then} → {described(now)}: " if was is not None and was.status in WORKS else ""
    return Finding("status", "known", cell, "known_issue", step + about, then, described(now))


def remarks(cand: Side, issues: Issues) -> Iterator[str]:
    """Say which entries explain nothing though cells that they are about went all the way."""
    versions = _versions(cand)
    newest = [records[-1] for records in cand.cells.values()]
    for name, issue in issues.items():
        about = [record for record in newest if issue.covers(record.cell.id, versions[_made_in(record)])]
        working = sum(record.status in WORKS for record in about)
        if working and not any(issue.explains(record, versions[_made_in(record)]) for record in about):
            yield f"known issue {name}: {working} of its {len(about)} cells work, and none fails as it says"


def _explained(record: Record, issues: Issues, versions: Versions) -> str | None:
    """Return the name of the issue that a record fails by, None when it works or nobody knows of it."""
    return next((name for name, issue in issues.items() if issue.explains(record, versions[_made_in(record)])), None)


def _made_in(record: Record) -> tuple[str, str]:
    return record.run, record.cell.toolchain


def _versions(one: Side) -> Versions:
    """Return the packages of each run and toolchain of a side, empty where they were not written down."""
    found = {key: environment.get("packages") for key, environment in environments(one).items()}
    return {key: packages if isinstance(packages, dict) else {} for key, packages in found.items()}
