"""Open any artifact by the name of its format: module ``harness.graph.<format>`` holds ``read(path)``."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from harness.errors import Unsupported
from harness.graph.model import Graph


def read(path: Path, format: str) -> Graph:
    """Return the graph of the artifact at ``path``.

    Raises:
        Unsupported: ``no_reader``, for a format that nothing here reads.
        StageFailed: ``broken_file``, when the reader cannot make sense of the file.
    """
    name = f"harness.graph.{format}"
    module = import_module(name) if format.isidentifier() and find_spec(name) is not None else None
    if module is None or not hasattr(module, "read") or name == __name__:
        raise Unsupported(f"there is no reader for the format '{format}'", "no_reader")
    return cast("Graph", module.read(path))
