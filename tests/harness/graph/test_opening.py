"""Any file is opened by its content; what cannot be opened is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from harness.errors import UserError
from harness.graph.opening import open_graph
from tests.harness.graph.test_graph_def import small


def said(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_graph(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_frozen_graph(tmp_path: Path) -> None:
    (tmp_path / "g.pb").write_bytes(small().SerializeToString())
    assert open_graph(tmp_path / "g.pb").format == "frozen"


def test_nothing_to_open(tmp_path: Path) -> None:
    assert "No such file or directory" in said(tmp_path / "x.tflite")
    assert "neither a saved_model.pb nor a model.json" in said(tmp_path)
    (tmp_path / "x.txt").write_text("x")
    assert "it is no model that can be read here; these can: .tflite, .onnx" in said(tmp_path / "x.txt")


@pytest.mark.parametrize("name", ["x.tflite", "x.onnx", "x.pb", "saved_model.pb"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 9])
def test_broken_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert said(tmp_path / name).startswith(str(tmp_path))


def test_a_cycle(tmp_path: Path) -> None:
    nodes = [helper.make_node("Abs", ["b"], ["a"], "first"), helper.make_node("Abs", ["a"], ["b"], "second")]
    ports = [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1])]
    (tmp_path / "x.onnx").write_bytes(helper.make_model(helper.make_graph(nodes, "g", [], ports)).SerializeToString())
    assert "its nodes wait for each other: first → second → first" in said(tmp_path / "x.onnx")
