"""Shares of images that moved: by more images than chance would make, or by the one or two that any change costs.

Agreement with the float model is a share of the images, and of 24 of them one is 4 points. Which images agreed is not
stored, only how many, so McNemar's exact test is held at its best: as if none had changed sides the other way. What
is not significant even then is noted, and stops no build. Each cell is judged by itself: a change that costs every
cell six images of 24 is one to hear of, and no p of so few images would outlast a correction for many cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.compare.findings import Finding
from harness.metrics.statistics import mcnemar_exact
from harness.records import Record

COLUMNS = frozenset({"agreement", "trained_agreement", "converted_agreement", "trained_top1", "top5"})
"""Columns of records that are shares of the images a cell has seen; ``accuracy`` has top-1, image by image."""


def weighed(found: Finding, records: Iterable[Record], significance: float) -> Finding:
    """Return what a column did, as a note where it is a share of images and few enough moved to be chance.

    ``records`` are those that were compared: the fewest images that one of them has seen count. Where none says how
    many it has seen, the finding is as it was.
    """
    counts = [seen for record in records if isinstance(seen := record.values.get("images"), int) and seen > 0]
    base, cand = found.base, found.cand
    if (
        found.kind not in COLUMNS
        or not counts
        or not isinstance(base, float | int)
        or not isinstance(cand, float | int)
    ):
        return found
    moved = round(abs(cand - base) * min(counts))
    p = mcnemar_exact(moved, 0)
    text = f"{found.text}, {moved} of {min(counts)} images"
    if p < significance:
        return replace(found, text=text, p=p)
    return replace(found, grade="note", text=f"{text}: may be chance", p=p)


def by_chance(one: Finding) -> bool:
    """Say whether a finding is of a share that moved, but may have done so by chance."""
    return one.kind in COLUMNS and one.grade == "note" and one.p is not None
