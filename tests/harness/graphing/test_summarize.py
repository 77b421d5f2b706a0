"""``harness graph summarize``: text for people, JSON for programs, one line for mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness import cli
from harness.graph.model import Graph, Node, Tensor
from harness.graph.summary import Port, summarize
from harness.graphing._shown import printable
from harness.graphing.summarize import lines, port


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """x (2, 3) times a 3×4 constant, through an operator that nobody knows."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    w = numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Own", ["h"], ["y"], domain="acme")]
    path = tmp_path / "m.onnx"
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("acme", 1)]
    save_model(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [w]), opset_imports=opsets), str(path))
    return path


def test_text(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "summarize", str(model)]) == 0
    said = capsys.readouterr().out
    for words in (
        "input          x float32 ?×3",
        "12 of them in kernels",
        "12 for one image",
        "MatMul 1",
        "acme.Own 1",
    ):
        assert words in said
    assert said.startswith(f"{model}: onnx, opset ")


def test_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "summarize", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parameters"], found["macs"], found["unknown_ops"]) == (12, 12, {"acme.Own": 1})
    assert found["inputs"][0]["shape"] == [-1, 3]


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x1c\x00\x00\x00TFL3"])
def test_a_mistake_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.tflite").write_bytes(content)
    assert cli.main(["graph", "summarize", str(tmp_path / "m.tflite")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_name_reaches_the_terminal_as_it_is() -> None:
    evil = "a\x1b[31m\n\u202eb"
    tensors = (Tensor(evil, "float32", (1,)), Tensor("y", "float32", (1,)))
    node = Node(evil, evil, (0,), (1,), custom=True)
    said = "\n".join(lines(summarize(Graph("onnx", (node,), tensors, {evil: 0}, {"y": 1}))))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\x1b[31m\\n" in said
    assert printable("conv 1/é") == "conv 1/é"


def test_ports() -> None:
    assert port(Port("a", "int8", (1, -1), 0.5, -3)) == "a int8 1×?, scale 0.5, zero point -3"
    assert port(Port("a", "float32", ())) == "a float32 scalar"
    assert port(Port("a", "float32", None)) == "a float32 of unknown rank"
