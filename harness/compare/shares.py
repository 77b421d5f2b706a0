"""Shares of images that moved: by more images than chance would make, or by the one or two that any change costs.

Agreement with the float model is a share of the images, and of 24 of them one is 4 points. Which images agreed is not
stored, only how many, so McNemar's exact test is held at its best: as if none had changed sides the other way. What
is not significant even then is noted, and stops no build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.compare.correction import Test, adjusted
from harness.compare.findings import Finding
from harness.metrics.statistics import mcnemar_exact
from harness.records import Record
from harness.tables.regression import Regression

COLUMNS = frozenset({"agreement", "trained_agreement", "converted_agreement", "trained_top1", "top1", "top5"})
"""Columns of records that are shares of the images a cell has seen."""


def weighed(found: Sequence[Finding], images: Mapping[str, int], limits: Regression) -> list[Finding]:
    """Return the findings, those that may be chance as notes; the rest, and what is no share of images, as they were.

    ``images`` is how many a cell has seen, the fewer of both sides. The p of each is corrected for the number of
    shares that moved further than their rules allow.
    """
    asked = [i for i, one in enumerate(found) if one.kind in COLUMNS and one.grade != "note" and one.cell in images]
    moved = [_moved(found[i], images[found[i].cell]) for i in asked]
    tests = [Test(p, p) for p in (mcnemar_exact(count, 0) for count in moved)]
    corrected = adjusted(tests, limits.significance, limits.correction)
    told = list(found)
    for i, count, test, p in zip(asked, moved, tests, corrected, strict=True):
        one = found[i]
        text = f"{one.text}, {count} of {images[one.cell]} images"
        if p is None or p >= limits.significance:
            told[i] = replace(one, grade="note", text=f"{text}: may be chance", p=test.p, adjusted_p=p)
        else:
            told[i] = replace(one, text=f"{text}, p = {p:.2g} corrected", p=test.p, adjusted_p=p)
    return told


def images(records: Iterable[Record]) -> int | None:
    """Return the fewest images that any of the records has seen; None when one does not say."""
    seen = [record.values.get("images") for record in records]
    counts = [count for count in seen if isinstance(count, int) and count > 0]
    return min(counts) if seen and len(counts) == len(seen) else None


def by_chance(one: Finding) -> bool:
    """Say whether a finding is of a share that moved, but may have done so by chance."""
    return one.kind in COLUMNS and one.grade == "note" and one.p is not None


def _moved(one: Finding, images: int) -> int:
    """Return how many images more left than came, or came than left."""
    assert isinstance(one.base, int | float)
    assert isinstance(one.cand, int | float)
    return round(abs(one.cand - one.base) * images)
