"""Shares of images that moved: by more images than chance would make, or by the one or two that any change costs.

Agreement with the float model is a share of the images, and of 24 of them one is 4 points. Which images agreed is not
stored, only how many, so McNemar's exact test is held at its best: as if none had changed sides the other way. What
is not significant even then is noted, and stops no build. Each cell is judged by itself: a change that costs every
cell six images of 24 is one to hear of, and no p of so few images would outlast a correction for many cells.

A cell that is slow may have time for the first images alone. Then two runs are held against each other on those that
both have seen, as far as a mean tells: whatever the others had, it lies between the least and the most there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.compare.findings import Finding
from harness.metrics.statistics import mcnemar_exact
from harness.records import Record

COLUMNS = frozenset({"agreement", "trained_agreement", "converted_agreement", "trained_top1", "top5"})
"""Columns of records that are shares of the images a cell has seen; ``accuracy`` has top-1, image by image."""
_LEAST: Mapping[str, float] = {"cosine": -1.0, **dict.fromkeys(COLUMNS, 0.0)}
"""Column that is a mean over images → the least that one of them can have; the most is 1."""
_ROUNDING = 1e-6


def on_common_images(found: Finding, base: Record, cand: Record) -> Finding:
    """Return what a fidelity column did, as a note where the images that one of two runs has not seen explain it."""
    before, after = images(base), images(cand)
    if before is None or after is None or before == after:
        return found
    text = f"{found.text}, of {before} images and of {after}"
    if _explained(found, before, after):
        text += ": may be the images that one has not seen"
        return replace(found, grade="note", text=text, doubt="other_images")
    return replace(found, text=text)


def _explained(found: Finding, base_images: int, cand_images: int) -> bool:
    least = _LEAST.get(found.kind)
    if least is None or not isinstance(found.base, float | int) or not isinstance(found.cand, float | int):
        return True  # no mean: the signal to noise ratio of all images together
    (few, value), (many, mean) = sorted([(base_images, found.base), (cand_images, found.cand)])
    low, high = ((many * mean - (many - few) * other) / few for other in (1.0, least))
    return low - _ROUNDING <= value <= high + _ROUNDING


def images(record: Record) -> int | None:
    """Return how many images a cell has seen, None where it does not say."""
    seen = record.values.get("images")
    return seen if isinstance(seen, int) and seen > 0 else None


def weighed(found: Finding, records: Iterable[Record], significance: float) -> Finding:
    """Return what a column did, as a note where it is a share of images and few enough moved to be chance.

    ``records`` are those that were compared: the fewest images that one of them has seen count. Where none says how
    many it has seen, the finding is as it was.
    """
    counts = [seen for record in records if (seen := images(record)) is not None]
    base, cand = found.base, found.cand
    if (
        found.kind not in COLUMNS
        or found.doubt is not None
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
    return replace(found, grade="note", text=f"{text}: may be chance", p=p, doubt="chance")
