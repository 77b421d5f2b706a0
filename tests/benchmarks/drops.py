"""How often a loss of accuracy is found: planted losses in stored predictions, judged by ``compare.accuracy``."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.compare import accuracy
from harness.compare.pairing import Pair, Side
from harness.compare.power import mcnemar_power
from harness.records import Cell, Record
from harness.tables import thresholds
from tests.harness.compare.conftest import predictions

LIMITS = thresholds("default").compare
IMAGES = 450
TOP1 = 0.96
"""Share that the base has right."""
CELLS = 10
CELL = Cell("simulated", "none", "int8", "tflite", "xnnpack", 1, "digits")


@dataclass(frozen=True, slots=True)
class Drop:
    """A candidate that loses some images and wins others, shares of all images."""

    lost: float
    won: float

    @property
    def points(self) -> float:
        """Loss of top-1, points."""
        return 100 * (self.lost - self.won)

    def power(self, cells: int = 1) -> float:
        """Return how often it is found when so many cells of a comparison changed as much; exact for one of them."""
        return mcnemar_power(IMAGES, self.lost, self.won, LIMITS.significance / cells)


DROPS = (Drop(0.02, 0), Drop(0.025, 0.005), Drop(0.03, 0.01), Drop(0.03, 0), Drop(0.04, 0.01), Drop(0.01, 0.01))


def found(drop: Drop, folder: Path, repeats: int, seed: int = 0, cells: int = 1) -> float:
    """Return the share of comparisons that called a drop a regression; each image is lost or won by itself.

    Of several cells all lose and win the same images, as those of one net do.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    base = random.permutation(IMAGES) < round(TOP1 * IMAGES)
    predictions(folder / "base.npz", base)
    hits = 0
    for _ in range(repeats):
        predictions(folder / "cand.npz", candidate(base, drop, random))
        hits += "regression" in judged(folder, cells)
    return hits / repeats


def candidate(base: NDArray[np.bool_], drop: Drop, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which images are right after a drop: right ones are lost and wrong ones won at random."""
    changed = random.random(len(base)) < np.where(base, drop.lost / TOP1, drop.won / (1 - TOP1))
    return base ^ changed


def planted(folder: Path, images: int) -> list[str]:
    """Return what is said when exactly so many images are lost and none is won."""
    folder.mkdir(parents=True, exist_ok=True)
    base = np.arange(IMAGES) < round(TOP1 * IMAGES)
    predictions(folder / "base.npz", base)
    predictions(folder / "cand.npz", base & (np.arange(IMAGES) >= images))
    return judged(folder)


def judged(folder: Path, cells: int = 1) -> list[str]:
    """Return the grades of the findings for the predictions that lie in a folder, so many cells having the same."""
    base, cand = (_record(run) for run in ("base", "cand"))
    side = Side("simulated", ("base", "cand"), {}, {"base": folder, "cand": folder}, ())
    pairs = [Pair(f"{CELL.id} {number}", (base,), (cand,)) for number in range(cells)]
    return [one.grade for one in accuracy.findings(pairs, side, side, LIMITS)]


def _record(run: str) -> Record:
    return Record(
        version=1, run=run, cell=CELL, key="", status="ok", stage="latency", failure=None, options={},
        values={"top1": TOP1}, missing={}, details={"files": {"predictions": f"{run}.npz"}}, artifact=None,
        artifact_sha256=None, fingerprint="", reproduce="", logs={}, started_at="", seconds=0.0,
    )  # fmt: skip


def detectable(churn: float, power: float = 0.95, cells: int = 1) -> float:
    """Return the smallest loss, points, that is found with some power when ``churn`` of the images is won besides."""
    steps = np.arange(churn + LIMITS.top1, 0.2, 0.001).tolist()
    first = bisect_left(steps, power, key=lambda lost: Drop(lost, churn).power(cells))
    return Drop(steps[first], churn).points


def rows(folder: Path, repeats: int, drops: Sequence[Drop] = DROPS) -> list[str]:
    """Return the figures as rows of a Markdown table."""
    made = [
        "| lost | won | loss of top-1, points | found | computed "
        f"| computed, of {CELLS} | found, of {CELLS} together |",
        "|---" * 7 + "|",
    ]
    for drop in drops:
        share = found(drop, folder, repeats)
        made.append(
            f"| {100 * drop.lost:g} % | {100 * drop.won:g} % | {drop.points:.1f} | {share:.2f} | {drop.power():.2f} "
            f"| {drop.power(CELLS):.2f} | {found(drop, folder, repeats // 4, cells=CELLS):.2f} |"
        )
    return made
