"""Fold fused batch normalizations, and products with a constant per channel, into the weights before them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.transforms import folding
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.norms import FUSED, SCALES
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Fold behind every convolution and matrix product; say which normalizations are left, and why."""
    kinds = (*FUSED, *SCALES)
    folded = folding.fold(work, kinds)
    notes = folding.notes(work, FUSED, kinds)
    if not folded and not notes:
        notes = ("the graph has no fused batch normalization, and no product per channel behind a convolution",)
    return Outcome(folded, "batch normalizations and products folded", notes)
