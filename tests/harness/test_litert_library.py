"""Which package LiteRT is taken from, and that TensorFlow's own is the same thing."""

from __future__ import annotations

import importlib.util

import pytest

from harness import litert_library


def test_the_package_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert litert_library.name("interpreter") == "ai_edge_litert.interpreter"
    assert litert_library.load("schema").__name__ == "ai_edge_litert.schema_py_generated"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert litert_library.name("interpreter") == "tensorflow.lite.python.interpreter"
