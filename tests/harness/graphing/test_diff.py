"""``harness graph diff``: text, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness import cli
from harness.graph.diff.compare import Change, Difference
from harness.graphing.diff import lines


def save(path: Path, *ops: str) -> Path:
    """Write a chain of operators from ``x`` to ``y``."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("x", "y")]
    names = ["x", *(f"h{i}" for i in range(len(ops) - 1)), "y"]
    nodes = [
        helper.make_node(op, [a, *(["w"] if op == "Mul" else [])], [b], f"node_{i}")
        for i, (op, a, b) in enumerate(zip(ops, names[:-1], names[1:], strict=True))
    ]
    weights = [numpy_helper.from_array(np.ones(4, np.float32) * 2, "w")]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], weights)
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(path))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> list[str]:
    """Two files, of which one has an identity more and a product less."""
    before = save(tmp_path / "a.onnx", "Relu", "Mul", "Tanh")
    after = save(tmp_path / "b.onnx", "Relu", "Identity", "Tanh")
    return [str(before), str(after)]


def test_text_and_exit_codes(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "diff", *pair]) == 0
    said = capsys.readouterr().out
    for words in (
        "onnx → onnx: 3 → 3 nodes",
        "unexplained       1 × Mul",
        "- node_1",
        "kept 2  added 1  unexplained 1",
    ):
        assert words in said
    assert cli.main(["graph", "diff", *pair, "--strict"]) == 1
    assert cli.main(["graph", "diff", pair[0], pair[0], "--strict"]) == 0


def test_json(pair: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "diff", *pair, "--json", "--strict"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["unexplained"] == 1
    assert [one["before"] for one in found["changes"] if one["kind"] == "unexplained"] == [["node_1"]]


def test_a_file_that_cannot_be_read(pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "diff", pair[0], str(tmp_path / "none.onnx")]) == 2
    assert cli.main(["graph", "diff", pair[0]]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_names_are_shortened_and_harmless() -> None:
    change = Change("removed", "Reshape", "why", tuple(f"a\n{i}" for i in range(5)), ())
    shown = lines(Difference(("keras", "onnx"), (change,), {"removed": 5, "unexplained": 0}, (5, 0), (0, 0)), 2)
    assert [line.strip() for line in shown[2:5]] == ["- a\\n0", "- a\\n1", "- … 3 more"]
    assert shown[-1] == "removed 5  unexplained 0"
    assert len(lines(Difference(("keras", "onnx"), (change,), {"removed": 5}, (5, 0), (0, 0)), 0)) == 3
