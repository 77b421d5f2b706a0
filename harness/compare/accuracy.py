"""Accuracy image by image: McNemar's exact test on the stored predictions of both runs, by cell and of all together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from statistics import median

import numpy as np

from harness.compare.correction import adjusted
from harness.compare.findings import Finding, Grade
from harness.compare.pairing import Pair, Side
from harness.compare.predictions import Paired, Unreadable, paired
from harness.metrics.statistics import mcnemar_exact
from harness.tables.regression import Regression


def findings(pairs: Sequence[Pair], base: Side, cand: Side, limits: Regression) -> Iterator[Finding]:
    """Return a line for each cell whose top-1 changed by more than chance and more than the threshold.

    And one for all cells of a task, where most of them changed so and too little to say it of each.
    """
    tested: list[Paired] = []
    for pair in pairs:
        try:
            one = paired(pair, base, cand)
        except Unreadable as error:
            yield Finding("accuracy", "note", pair.cell, "predictions", str(error))
            continue
        if one is not None:
            tested.append(one)
    corrected = adjusted([one.test for one in tested], limits.significance, limits.correction)
    lines = [_judged(one, p, limits) for one, p in zip(tested, corrected, strict=True)]
    found = [one for one in lines if one is not None]
    yield from found
    yield from _together(tested, {one.cell for one in found if one.grade != "note"}, limits)


def _judged(one: Paired, p: float | None, limits: Regression) -> Finding | None:
    if abs(one.gain) < limits.top1 or one.gain == 0:
        return None
    significant = p is not None and p < limits.significance
    grade: Grade = "note" if not significant else "regression" if one.gain < 0 else "improvement"
    low, high = one.interval
    corrected = "too few images changed sides to tell" if p is None else f"{p:.2g} corrected"
    text = (
        f"top-1 {one.base_top1:.4f} → {one.cand_top1:.4f}: {100 * one.gain:+.1f} points "
        f"({100 * low:+.1f} … {100 * high:+.1f}), {one.only_base} images lost and {one.only_cand} won of {one.images}, "
        f"McNemar p = {one.test.p:.2g}, {corrected}" + ("" if significant else ": may be chance")
    )
    return Finding("accuracy", grade, one.cell, "top1", text, one.base_top1, one.cand_top1, one.gain, one.test.p, p)


def _together(tested: Sequence[Paired], named: Set[str], limits: Regression) -> Iterator[Finding]:
    """Return a line for the cells of a task whose top-1 went one way, unless most of them are ``named`` already.

    Corrected for their number, 200 cells must lose 3 points each before one is named. Cells of one net are wrong about
    the same images, so these are what is counted: those that more cells lost than won, against the others.
    """
    groups: dict[tuple[str, bytes], list[Paired]] = defaultdict(list)
    for one in tested:
        groups[one.task, one.image.tobytes()].append(one)
    for (task, _), cells in groups.items():
        gain = median(one.gain for one in cells)
        votes = np.sum([one.steps for one in cells], axis=0, dtype=np.int64)
        lost, won = int((votes < 0).sum()), int((votes > 0).sum())
        p = mcnemar_exact(lost, won)
        alike = abs(gain) >= limits.top1 and (lost > won) == (gain < 0) and p < limits.significance
        if not alike or len(cells) < 2 or 2 * sum(one.cell in named for one in cells) > len(cells):
            continue
        text = (
            f"top-1 {100 * gain:+.1f} points in the middle of {len(cells)} cells: {lost} images were lost by more of "
            f"them than won them, {won} won by more, McNemar p = {p:.2g}"
        )
        grade: Grade = "regression" if gain < 0 else "improvement"
        base, cand = median(one.base_top1 for one in cells), median(one.cand_top1 for one in cells)
        label = f"{len(cells)} cells of {task} together"
        yield Finding("accuracy", grade, label, "top1_together", text, base, cand, gain, p)
