"""What format a file is in, told by its content; its name only decides when the content is damaged."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import Unsupported
from harness.graph import wire
from harness.graph.graph_def import TEXT
from harness.graph.mapped import mapped

FORMATS = {
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".pb": "frozen",
    ".pbtxt": "frozen",
    ".keras": "keras",
    ".json": "tfjs",
}
"""Extension → format, for files whose content says nothing."""
READABLE = ".tflite, .onnx, .keras, .pb (frozen graph, binary or text), a SavedModel, TensorFlow.js model.json"
_HEAD = 512
_BLOCK = 2


def format_of(path: Path) -> tuple[str, Path]:
    """Return the format at ``path``, and the file or folder that its reader wants.

    Raises:
        OSError: it cannot be read.
        Unsupported: ``no_reader``: nothing here reads it; ``broken_file`` for an empty file.
    """
    if path.is_dir():
        return _of_folder(path)
    content = mapped(path)
    if not len(content):
        raise Unsupported("the file is empty", "broken_file")
    found = _of_head(bytes(content[:_HEAD]), path) or _of_message(content)
    if found == "saved_model":
        return _of_saved_model(path)
    if found is None:
        found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise Unsupported(f"it is no model that can be read here; these can: {READABLE}", "no_reader")
    return found, path


def _of_folder(path: Path) -> tuple[str, Path]:
    for name, format in (("saved_model.pb", "saved_model"), ("model.json", "tfjs")):
        if (path / name).is_file():
            return format, path if format == "saved_model" else path / name
    raise Unsupported("the folder has neither a saved_model.pb nor a model.json", "no_reader")


def _of_saved_model(path: Path) -> tuple[str, Path]:
    if path.name != "saved_model.pb":
        raise Unsupported("it is the file of a SavedModel under another name; allowed: saved_model.pb", "no_reader")
    return "saved_model", path.parent


def _of_head(head: bytes, path: Path) -> str | None:
    """Return the format that the first bytes tell."""
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK\x03\x04"):
        return "keras"
    if head.startswith(b"\x89HDF"):
        raise Unsupported("it is HDF5; save the model as .keras, which holds the same and is read here", "no_reader")
    if TEXT.match(head):
        return "frozen"
    if head.lstrip()[:1] == b"{":
        return "tfjs" if path.suffix.lower() == ".json" or _is_json(path) else None
    return None


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (ValueError, RecursionError):
        return False


def _of_message(content: memoryview) -> str | None:
    """Return the format of a protobuf by its outermost fields, None when it is none or not whole."""
    try:
        fields = wire.field_numbers(content)
    except ValueError:
        return None
    numbers = {number for number, _ in fields}
    if (7, _BLOCK) in fields and (1, 0) in fields:
        return "onnx"
    if numbers == {1, 2} and (1, 0) in fields and (2, _BLOCK) in fields:
        return "saved_model"
    if (1, _BLOCK) in fields and numbers <= {1, 2, 3, 4, 5}:
        return "frozen"
    return None
