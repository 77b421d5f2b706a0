"""Numbered notes beneath a table: a cell, why it is as it is, and the command that shows it.

What stops a quantization stops all its exports: one note, with the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.report.markdown import escape
from harness.report.shown import clip, one_line, superscript
from harness.report.support import Way

NO_COMMAND = "no command recorded"


@dataclass(slots=True)
class Reasons:
    """Notes, each with one number however often it is used."""

    _found: dict[tuple[str, ...], tuple[str, str, str]] = field(default_factory=dict)
    """What notes are equal by → cell, why, command."""

    def mark(self, way: Way) -> str:
        """Return the superscript of the note on a way."""
        record, cell = way.cell.record, way.cell.record.cell
        key = (cell.model, cell.quant, cell.task, cell.toolchain, way.why)
        note = (f"{cell.id} ({cell.task})", clip(way.why), one_line(record.reproduce) or NO_COMMAND)
        self._found.setdefault(key, note)
        return superscript(list(self._found).index(key) + 1)

    def markdown(self) -> list[str]:
        """Return the notes as one block, nothing when there is none."""
        notes = []
        for number, (cell, why, command) in enumerate(self._found.values(), 1):
            head = f"{number}. "
            # four spaces more than the text make a code block that nothing inside can end
            notes.append(f"{head}**{escape(cell)}**: {escape(why)}\n\n{' ' * (len(head) + 4)}{command}")
        return ["\n\n".join(notes)] if notes else []
