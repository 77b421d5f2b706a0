"""What became of the cells: new failures, fixed ones, other reasons, new and missing cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.compare.findings import Finding, Grade
from harness.compare.pairing import Pair
from harness.records import Record
from harness.report.shown import clip, one_line

WORKS = ("ok", "noisy")


def findings(pairs: Iterable[Pair], *, subset: bool = False) -> Iterator[Finding]:
    """Return a line for each cell whose status is another; ``subset``: cells may be missing on purpose."""
    for pair in pairs:
        both = pair.latest
        if both is not None:
            yield from _changed(pair.cell, *both)
        elif pair.cand:
            yield _new(pair.cell, pair.cand[-1])
        else:
            was = described(pair.base[-1])
            grade: Grade = "note" if subset else "regression"
            yield Finding("status", grade, pair.cell, "missing_cell", f"not in the candidate; it was {was}", base=was)


def described(record: Record) -> str:
    """Return status, stage and reason of a record in a few words."""
    failure = record.failure
    if failure is None or record.status == "noisy":
        return record.status
    return f"{record.status} at {failure.stage} ({failure.reason})"


def why(record: Record) -> str:
    """Return the message of a failure on one line, cut; empty where nothing failed."""
    return clip(one_line(record.failure.message), 160) if record.failure else ""


def _changed(cell: str, base: Record, cand: Record) -> Iterator[Finding]:
    before, after = described(base), described(cand)
    if before == after:
        return
    worked, works = base.status in WORKS, cand.status in WORKS
    text = f"{before} → {after}"
    if worked and works:
        yield Finding("status", "note", cell, "noise", f"{text}: its latency is not compared", before, after)
    elif worked:
        yield Finding("status", "regression", cell, "new_failure", f"{text}: {why(cand)}", before, after)
    elif works:
        yield Finding("status", "improvement", cell, "fixed", text, before, after)
    else:
        yield Finding("status", "note", cell, "changed_reason", f"{text}: {why(cand)}", before, after)


def _new(cell: str, cand: Record) -> Finding:
    after = described(cand)
    told = "" if cand.status in WORKS else f": {why(cand)}"
    return Finding("status", "note", cell, "new_cell", f"not in the base; it is {after}{told}", cand=after)
