"""What a comparison of two runs calls worse: the section ``compare`` of a file of ``conf/verdict``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Rule:
    """How far a number may move before that is worse; what is allowed is the larger of both bounds."""

    worse: Literal["more", "less", "other"]
    relative: float = field(default=0.0, metadata={"min": 0.0})
    """Share of the base's value."""
    absolute: float = field(default=0.0, metadata={"min": 0.0})
    """In the unit of the column."""
    enough: float | None = None
    """Beyond this a value is as good as at it: what is left there is rounding."""

    def grade(self, base: float, cand: float) -> Literal["worse", "better", "same"]:
        """Say what the step from ``base`` to ``cand`` is."""
        if self.enough is not None and self.worse != "other":
            held = min if self.worse == "less" else max
            base, cand = held(base, self.enough), held(cand, self.enough)
        moved = cand - base
        if abs(moved) <= max(self.absolute, self.relative * abs(base)):
            return "same"
        return "worse" if self.worse == "other" or (moved > 0) == (self.worse == "more") else "better"


def _artifacts() -> dict[str, Rule]:
    return {
        "size_bytes": Rule("more", relative=0.02),
        "int8_mac_share": Rule("less", absolute=0.005),
        "float_ops": Rule("more"),
    }


@dataclass(frozen=True)
class Regression:
    """Thresholds between two runs of the same cell."""

    significance: float = field(default=0.05, metadata={"min": 0.0, "max": 1.0})
    """Probability of one false alarm among all tests of a kind."""
    correction: Literal["holm", "benjamini_hochberg"] = "holm"
    top1: float = field(default=0.005, metadata={"min": 0.0, "max": 1.0})
    """Smallest loss of top-1 that counts, fraction."""
    latency: float = field(default=0.05, metadata={"min": 0.0})
    """Smallest slow-down that counts, as a share, where both sides have several processes."""
    latency_single: float = field(default=0.1, metadata={"min": 0.0})
    """The same where a side has one process only, so that nothing shows its spread, and across versions or machines."""
    noise: float = field(default=0.02, metadata={"min": 0.0, "max": 1.0})
    """Spread (CV) of the clean median from process to process, to say what a single one can find."""
    confirm_pairs: int = field(default=5, metadata={"min": 3, "max": 100})
    """Pairs of base and candidate that ``--confirm`` measures of each suspected cell."""
    artifacts: dict[str, Rule] = field(default_factory=_artifacts)
    """Column → how far it may move."""
    fidelity: dict[str, Rule] = field(default_factory=dict)
    """The same for how near the outputs are to the float model's."""
