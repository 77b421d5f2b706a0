"""Fold batch normalizations as TensorFlow 1 wrote them: the old operator, the fused ones, or Sub, Rsqrt, Mul and Add.

The arithmetic on constants (the variance plus epsilon, its root) need not be folded before.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.transforms import folding, left
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.norms import NORMS, SCALES
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Fold behind every convolution and matrix product; say which normalizations are left, and why."""
    kinds = (*NORMS, *SCALES)
    folded = folding.fold(work, kinds)
    missed = left.told(work, NORMS, kinds)
    none = () if folded or missed else ("the graph has no batch normalization, and no product to fold",)
    return Outcome(folded, "batch normalizations and products folded", none, missed)
