"""Open a model file of whatever format, told by its name and by how it begins."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StageError, UserError
from harness.graph.model import Graph
from harness.graph.order import ordered
from harness.graph.read import read

_SUFFIXES = {".tflite": "tflite", ".onnx": "onnx", ".pb": "frozen", ".keras": "keras", ".json": "tfjs"}
"""Suffix of a file → name of its reader."""


def open_graph(path: Path) -> Graph:
    """Return the graph in a file, or in the folder of a SavedModel.

    Raises:
        UserError: there is nothing there, nothing here reads it, it is broken, or its nodes wait for each other.
    """
    place, format = _format(path)
    try:
        graph = read(place, format)
        ordered(graph)
    except StageError as error:
        raise UserError(f"{path}: {error}") from error
    return graph


def _format(path: Path) -> tuple[Path, str]:
    """Return what to read, and as what."""
    if not path.exists():
        raise UserError(f"{path}: there is no such file; allowed: {_allowed()}")
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return path, "saved_model"
        raise UserError(f"{path}: no SavedModel (no saved_model.pb in it); allowed: {_allowed()}")
    if path.name == "saved_model.pb":
        return path.parent, "saved_model"
    if path.suffix not in _SUFFIXES:
        raise UserError(f"{path}: what is '{path.suffix}'? allowed: {_allowed()}")
    return path, _SUFFIXES[path.suffix]


def _allowed() -> str:
    return f"the folder of a SavedModel, or a file {', '.join(_SUFFIXES)}"
