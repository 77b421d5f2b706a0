"""Open a model file for what walks through its graph: one whose nodes wait for each other is refused."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StageError, UserError
from harness.graph.model import Graph
from harness.graph.order import ordered
from harness.graph.read import open_file


def open_graph(path: Path) -> Graph:
    """Return the graph in a file of any format, or in the folder of a SavedModel.

    Raises:
        UserError: what ``open_file`` says, or its nodes wait for each other.
    """
    graph = open_file(path)
    try:
        ordered(graph)
    except StageError as error:
        raise UserError(f"{path}: {error}") from error
    return graph
