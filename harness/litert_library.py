"""Where LiteRT is: the package ai-edge-litert, or TensorFlow Lite inside a TensorFlow that was there before it.

Both have the same interpreter and the same schema of the file under other names.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Literal

Part = Literal["interpreter", "schema"]
NAMES: dict[Part, tuple[str, str]] = {
    "interpreter": ("ai_edge_litert.interpreter", "tensorflow.lite.python.interpreter"),
    "schema": ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated"),
}
"""Part → modules that have it; the first one that is installed is taken."""
INSTEAD = {"ai-edge-litert": "tensorflow"}
"""Package → the one that a toolchain may have in its place."""


def name(part: Part) -> str:
    """Return the name of the module that has a part here; nothing is imported."""
    own, older = NAMES[part]
    return own if importlib.util.find_spec(own.partition(".")[0]) else older


def load(part: Part) -> ModuleType:
    """Return the module of a part. Raises ``ImportError`` where neither package is."""
    return importlib.import_module(name(part))
