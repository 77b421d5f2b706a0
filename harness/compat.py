"""Cells of finished runs for somebody's own test suite: look one up, ask for its verdict, fail with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.errors import UserError, did_you_mean
from harness.records import Value
from harness.report.shown import clip, one_line
from harness.report.view import newest
from harness.tables.verdict import RANK, Judged, VerdictName

AXES = ("model", "quant", "export", "runtime", "threads", "task", "toolchain")


class Word(str):
    """A verdict that can say why: a string like any other, explained when an assertion about it fails."""

    explained: str

    def __new__(cls, word: VerdictName, explained: str) -> Self:
        """Return ``word`` with what there is to say about it."""
        made = super().__new__(cls, word)
        made.explained = explained
        return made


@dataclass(frozen=True, slots=True, repr=False)
class Compatibility:
    """The cells of one question (a runtime each, when none is named), worst first; it is as good as the worst."""

    asked: str
    """``resnet50/int8/tflite``."""
    cells: tuple[Judged, ...]

    @property
    def verdict(self) -> Word:
        """``clean``, ``degraded``, ``fails`` or ``n/a``."""
        return Word(self.cells[0].verdict.verdict, self.explain())

    @property
    def clean(self) -> bool:
        """True when every cell is."""
        return self.verdict == "clean"

    @property
    def cell(self) -> str:
        """Id of the cell that the other properties are of: the worst."""
        return self.cells[0].record.cell.id

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in one line."""
        return one_line(self.cells[0].verdict.text)

    @property
    def values(self) -> Mapping[str, Value]:
        """Column → value, as in ``results/README.md``."""
        return self.cells[0].record.values

    @property
    def missing(self) -> Mapping[str, str]:
        """Column → why it has no value."""
        return self.cells[0].record.missing

    @property
    def reproduce(self) -> str:
        """The command that runs the cell again."""
        return self.cells[0].record.reproduce

    def require(self, *allowed: VerdictName) -> None:
        """Raise ``AssertionError`` with reason and command unless the verdict is allowed: clean, or those named."""
        __tracebackhide__ = True
        if self.verdict not in (allowed or ("clean",)):
            expected = " or ".join(allowed or ("clean",))
            raise AssertionError(f"{self.explain()}\n  expected: {expected}")

    def explain(self) -> str:
        """Return what the verdict is, and for each cell that is not clean why and with which command to see it."""
        lines = [f"{self.asked} is {self.cells[0].verdict.verdict}"]
        for j in self.cells:
            if j.verdict.verdict != "clean":
                lines += [f"  {j.record.cell.id}: {one_line(j.verdict.text)}", f"    reproduce: {j.record.reproduce}"]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{self.cell} {self.verdict}: {clip(self.reason, 80)}; {self.reproduce}>"


class Compat:
    """Answers questions about cells; reading the records once, when it is made."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        """Read runs (folders, ``records.jsonl``, globs), judged by their own thresholds. Raises ``UserError``."""
        from harness.commands import own_verdict
        from harness.tables import judge_all, read

        reading = read(*paths)
        verdict = own_verdict(list(reading.sources.values())) if reading.sources else "default"
        self.title = ", ".join(reading.sources) or "no run"
        self._judged = newest(judge_all(reading.records, verdict))

    def __call__(
        self,
        model: str,
        quant: str = "none",
        export: str = "tflite",
        runtime: str | None = None,
        *,
        threads: int | None = None,
        task: str | None = None,
        toolchain: str | None = None,
    ) -> Compatibility:
        """Return what the runs say of a combination; what is not named may be anything.

        Raises ``UserError`` when no run has such a cell: a test that has nothing to look at must not pass.
        """
        wanted = dict(zip(AXES, (model, quant, export, runtime, threads, task, toolchain), strict=True))
        asked = {axis: value for axis, value in wanted.items() if value is not None}
        cells = self._judged
        for axis, value in asked.items():
            left = [j for j in cells if getattr(j.record.cell, axis) == value]
            if not left:
                raise UserError(self._unknown(axis, value, asked, cells))
            cells = left
        name = "/".join(str(asked[axis]) for axis in AXES if axis in asked)
        return Compatibility(name, tuple(sorted(cells, key=lambda j: -RANK.index(j.verdict.verdict))))

    def _unknown(self, axis: str, value: object, asked: Mapping[str, object], cells: Sequence[Judged]) -> str:
        """Return that there is no such cell, and what there is instead."""
        before = "/".join(str(asked[one]) for one in AXES[: AXES.index(axis)] if one in asked)
        known = {str(getattr(j.record.cell, axis)) for j in cells}
        place = f" of {before}" if before else ""
        hint = did_you_mean(str(value), known) if known else "it holds no record"
        return f"compat: no cell{place} with {axis} '{value}' in {self.title}; {hint}"
