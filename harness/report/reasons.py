"""Numbered notes beneath a table: why cells are as they are, and for each the command that shows it.

One quantization and the same words, whatever the figures and names: one note, with a command for each model (what stops
a quantization stops all its exports). Where a cell's words are not those of the note, they stand above its command.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.report.markdown import escape
from harness.report.notes import Notes
from harness.report.shown import one_line, squeezed, superscript
from harness.report.support import Way

NO_COMMAND = "no command recorded"
SIZE = 400
"""Characters of a reason."""
SHORT = 200
"""… where it stands without its command."""


@dataclass(slots=True)
class Reasons:
    """Notes, each with one number however often it is used."""

    tasks: bool = False
    """Whether notes name the task, as where there are several."""
    _notes: Notes = field(default_factory=lambda: Notes(SIZE))
    _cells: dict[int, dict[tuple[str, ...], tuple[str, str, str]]] = field(default_factory=dict)
    """Note → what its cells are equal by → cell, why, command."""

    def mark(self, way: Way) -> str:
        """Return the superscript of the note on a way."""
        record, cell = way.cell.record, way.cell.record.cell
        name = f"{cell.quant} on {cell.task}" if self.tasks else cell.quant
        number = self._notes.number(f"{name}: {way.why}")
        key = (cell.model, cell.quant, cell.task, cell.toolchain, way.why)
        note = (f"{cell.id} ({cell.task})", squeezed(one_line(way.why), SIZE), one_line(record.reproduce) or NO_COMMAND)
        self._cells.setdefault(number, {}).setdefault(key, note)
        return superscript(number)

    def short(self) -> list[str]:
        """Return the notes as one block without commands, a line each; nothing when there is none."""
        lines = [f"{n}. {escape(squeezed(text, SHORT))}" for n, text in enumerate(self._notes.texts, 1)]
        return ["\n".join(lines)] if lines else []

    def markdown(self) -> list[str]:
        """Return the notes as one block, nothing when there is none."""
        blocks = [_block(number, text, list(self._cells[number].values()))
                  for number, text in enumerate(self._notes.texts, 1)]  # fmt: skip
        return ["\n\n".join(blocks)] if blocks else []


def _block(number: int, text: str, cells: list[tuple[str, str, str]]) -> str:
    """Return a note; of several cells each is named beside its command."""
    head = f"{number}. "
    if len(cells) == 1:
        ((cell, why, command),) = cells
        told, lines = f"**{escape(cell)}**: {escape(why)}", [command]
    else:
        told = escape(text)
        lines = [line for cell, why, command in cells
                 for line in (f"# {cell}" + ("" if text.endswith(f": {why}") else f": {why}"), command)]  # fmt: skip
    # four spaces more than the text make a code block that nothing inside can end
    indent = " " * (len(head) + 4)
    return "\n".join([f"{head}{told}", "", *(f"{indent}{line}" for line in lines)])
