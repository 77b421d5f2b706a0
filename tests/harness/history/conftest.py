"""Nights that never were: runs of chosen latencies, sizes and accuracies, one a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.history import Chronicle, chronicle
from harness.history.tracks import Point
from harness.records import Cell, Record, Value
from harness.tables import thresholds
from tests.harness.compare.conftest import Runs, cell

LIMITS = thresholds("default")
FIRST = datetime(2026, 9, 1, 2, tzinfo=UTC)


def at(night: int) -> str:
    """Return when a night's run was."""
    return f"{FIRST + timedelta(days=night):%Y-%m-%dT%H:%M:%SZ}"


def points(values: Iterable[float], near: Sequence[tuple[float, float]] | None = None) -> list[Point]:
    """Return latencies of single processes, or with the intervals ``near``."""
    spans = near or [(None, None)] * len(values := list(values))  # type: ignore[list-item]
    return [Point(f"n{i}", at(i), v, *span) for i, (v, span) in enumerate(zip(values, spans, strict=True))]


def noisy(count: int, level: float = 2.0, spread: float = 0.01, seed: int = 0) -> list[float]:
    """Return latencies about a level, ms."""
    found: list[float] = (level * np.exp(np.random.default_rng(seed).normal(0, spread, count))).tolist()
    return found


class Nights:
    """Writes runs, ``n00``, ``n01`` … of consecutive nights."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.count = 0

    def record(
        self, ms: float = 2.0, where: Cell | None = None, processes: int = 3, spread: float = 0.002, **more: Any
    ) -> Record:
        """Return the next night's record of a cell, its processes ``spread`` apart."""
        values: dict[str, Value] = more
        steps = [1 + spread * (i - (processes - 1) / 2) for i in range(processes)]
        made = self.runs.record(self.run, where or cell(), medians_ms=[ms * step for step in steps], **values)
        return replace(made, started_at=at(self.count))

    @property
    def run(self) -> str:
        """The name of the next night's run."""
        return f"n{self.count:02}"

    def write(self, *records: Record, correct: Any = None, **environment: Any) -> Path:
        """Write the next night."""
        facts = {"machine": "x86_64", "cpu": "a", **environment}
        found = self.runs.write(self.run, records, correct, facts)
        self.count += 1
        return found

    def nights(self, values: Iterable[float], where: Cell | None = None, **more: Any) -> Nights:
        """Write a night of one cell for each latency, ms."""
        for ms in values:
            self.write(self.record(ms, where, **more))
        return self

    def look(self, **limits: Any) -> Chronicle:
        """Return the history of all that was written."""
        watch = replace(LIMITS.history, **limits)
        return chronicle([self.runs.root], replace(LIMITS, history=watch))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return the factory of runs."""
    return Runs(tmp_path / "results")


@pytest.fixture
def nights(runs: Runs) -> Nights:
    """Return the factory of nights."""
    return Nights(runs)


def kinds(found: Chronicle) -> list[tuple[str, str, str]]:
    """Return what was found, in short."""
    return [(one.section, one.grade, one.kind) for one in found.findings]
