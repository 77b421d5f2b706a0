"""What a comparison has to say of a cell: one line each, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.records import Value

Section = Literal["status", "artifacts", "accuracy", "latency"]
Grade = Literal["regression", "known", "improvement", "note"]
SECTIONS: tuple[Section, ...] = ("status", "artifacts", "accuracy", "latency")
GRADES: tuple[Grade, ...] = ("regression", "known", "improvement", "note")
"""From what stops a build to what is only said."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between two runs of a cell."""

    section: Section
    grade: Grade
    cell: str
    kind: str
    """``new_failure``, ``fixed``, ``missing_cell`` …; else the column that moved."""
    text: str
    """One line for people."""
    base: Value = None
    cand: Value = None
    effect: float | None = None
    """Ratio candidate ÷ base for times and sizes; difference for what is a share."""
    p: float | None = None
    adjusted_p: float | None = None
    """``p`` corrected for the number of cells; None when its test could not have rejected, or has no part in it."""
    doubt: Literal["chance", "other_images"] | None = None
    """Why a column that moved is only a note: by so few images, or maybe by those that one side has not seen."""
    again: Literal["confirmed", "refuted", "unconfirmed"] | None = None
    """What came of measuring a suspected slow-down again; None where that was not tried."""


def key(finding: Finding) -> tuple[int, int]:
    """Return the sort key: section, then grade; a stable sort keeps the order of cells."""
    return SECTIONS.index(finding.section), GRADES.index(finding.grade)
