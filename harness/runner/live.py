"""The live display of a terminal: one line a stage, redrawn only when something happens (a measuring parent rests)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class Row:
    """What one stage has done and has left."""

    stage: str
    done: int
    total: int
    failed: int
    cached: int
    eta: str
    now: str


class Live:
    """Lines at the bottom of a terminal; other text goes above them."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(file=stream, highlight=False)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, rows: Sequence[Row], summary: str) -> None:
        """Redraw all lines."""
        self._live.update(_table(rows, summary), refresh=True)

    def print(self, text: str) -> None:
        """Put a line above."""
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Take the lines away."""
        self._live.stop()


def _table(rows: Sequence[Row], summary: str) -> Group:
    """On a narrow terminal only what a stage is on now and the summary are cut."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for _ in range(5):
        table.add_column(no_wrap=True)
    table.add_column()
    for row in rows:
        counts = f"{row.failed} failed" if row.failed else ""
        counts += (" · " if counts and row.cached else "") + (f"{row.cached} cached" if row.cached else "")
        table.add_row(
            Text(row.stage),
            ProgressBar(total=max(1, row.total), completed=row.done, width=16),
            Text(f"{row.done}/{row.total}", justify="right"),
            Text(row.eta and f"ETA {row.eta}"),
            Text(counts, style="red" if row.failed else "dim"),
            Text(row.now, overflow="ellipsis", no_wrap=True),
        )
    return Group(table, Text(summary, style="dim", overflow="ellipsis", no_wrap=True))
