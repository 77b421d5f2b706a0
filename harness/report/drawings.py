"""Pictures of the graphs of a report's artifacts, in ``drawings/`` beside its page, which links what is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import HarnessError, UserError
from harness.files import write_atomic
from harness.records import Record

FOLDER = "drawings"


def file_of(record: Record) -> str | None:
    """Return where the drawing of a cell's artifact is, relative to the page; None for a cell without one."""
    return f"{FOLDER}/{record.artifact_sha256[:16]}.svg" if record.artifact_sha256 else None


def draw(records: Iterable[Record], out_dir: Path, tell: Callable[[str], None]) -> list[Path]:
    """Draw each artifact that its cache still has, once, and return the files.

    ``tell`` is given a line before each, with how long the rest will take, and one for what cannot be drawn.

    Raises ``UserError`` without graphviz, or when ``out_dir`` is not writable.
    """
    from harness.graph.drawing import dot
    from harness.graph.drawing import draw as drawing
    from harness.graph.drawing.render import render
    from harness.graph.opening import open_graph

    render("digraph {}", "svg")  # without the program nothing needs to be read
    made: dict[str, Path] = {}
    chosen = {name: record for record in records if (name := file_of(record)) is not None}
    began = time.monotonic()
    for number, (name, record) in enumerate(chosen.items()):
        left = (time.monotonic() - began) / number * (len(chosen) - number) if number else 0.0
        tell(f"[{number}/{len(chosen)}{f' ETA {left:.0f} s' if left >= 1 else ''}] drawing {record.cell.id}")
        artifact = Path(record.artifact or "")
        if not record.artifact or not artifact.exists():
            tell(f"{record.cell.id}: not drawn, its artifact is no longer in the cache")
            continue
        try:
            content = render(dot.source(drawing.picture(open_graph(artifact), record.cell.id)), "svg")
        except (HarnessError, ValueError) as error:
            tell(f"{record.cell.id}: not drawn: {error}")
            continue
        made[name] = out_dir / name
        _write(made[name], content)
    return list(made.values())


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; try --out") from error
