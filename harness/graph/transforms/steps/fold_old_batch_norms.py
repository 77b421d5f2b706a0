"""Fold batch normalizations as TensorFlow 1 wrote them: one old operator, or Sub, Rsqrt, Mul and Add.

The arithmetic on constants (the variance plus epsilon, its root) need not be folded before.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.transforms import folding
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.norms import GLOBAL, SCALES
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Fold behind every convolution and matrix product; say which normalizations are left, and why."""
    kinds = (GLOBAL, *SCALES)
    folded = folding.fold(work, kinds)
    notes = folding.notes(work, (GLOBAL,), kinds)
    if not folded and not notes:
        notes = (f"the graph has no {GLOBAL}, and no product per channel behind a convolution",)
    return Outcome(folded, "batch normalizations and products folded", notes)
