"""What a stage is: a function from a job and its input folders to files in ``job.out`` and an ``Outcome``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.records import Stage, Value


@dataclass(frozen=True, slots=True)
class Outcome:
    """Facts found by a stage; see ``JobResult`` for the meaning of each field."""

    values: dict[str, Value] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


class Reporter(Protocol):
    """The worker's line to its parent."""

    def stage(self, name: Stage) -> None:
        """Say which stage is entered; called *before* entering, so that a crash is booked on it."""

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the job is: ``fraction`` in 0…1."""
