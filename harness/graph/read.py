"""Open any model file: by the name of its format, or by what is in it.

Module ``harness.graph.<format>`` holds ``read(path)``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from harness.errors import StageError, StageFailed, Unsupported, UserError
from harness.graph import identify
from harness.graph.model import Graph


def read(path: Path, format: str | None = None) -> Graph:
    """Return the graph of the artifact at ``path``; without a format its content decides.

    Raises:
        Unsupported: ``no_reader``, for a format that nothing here reads.
        StageFailed: ``broken_file``, when the reader cannot make sense of the file.
    """
    if format is None:
        format, path = _found(path)
    name = f"harness.graph.{format}"
    module = import_module(name) if format.isidentifier() and find_spec(name) is not None else None
    if module is None or not hasattr(module, "read") or name == __name__:
        raise Unsupported(f"there is no reader for the format '{format}'", "no_reader")
    return cast("Graph", module.read(path))


def _found(path: Path) -> tuple[str, Path]:
    try:
        return identify.format_of(path)
    except OSError as error:
        raise StageFailed(f"{path.name}: {error.strerror or error}", "broken_file") from error
    except Unsupported as error:
        raise type(error)(f"{path.name}: {error}", error.reason) from error


def open_file(path: Path) -> Graph:
    """Return the graph of a file that somebody named. Raises ``UserError`` where ``read`` raises."""
    try:
        return read(path)
    except StageError as error:
        text = " ".join(str(error).split()).removeprefix(f"{path.name}: ")
        raise UserError(f"{path}: {text}") from error
