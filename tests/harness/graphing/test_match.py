"""The command ``graph match``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness import cli
from harness.graph import graph_def as files
from tests.harness.graph.matching.test_frozen_bypass import dropout_tf2, graph_of, run
from tests.harness.graphing.test_draw import network


def swish(path: Path) -> Path:
    """Write x · (relu6(x + 3) · 1/6)."""
    nodes = [
        helper.make_node("Add", ["three", "x"], ["a"], "plus\nthree"),
        helper.make_node("Clip", ["a"], ["b"], "six"),
        helper.make_node("Mul", ["b", "sixth"], ["c"], "gate"),
        helper.make_node("Mul", ["c", "x"], ["y"], "out"),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("x", "y")]
    constants = [
        onnx.numpy_helper.from_array(np.float32(number), name) for name, number in (("three", 3), ("sixth", 1 / 6))
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], constants)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def test_matches_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(swish(tmp_path / "m.onnx"))
    assert cli.main(["graph", "match", model, "hard_swish"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"1 of 'hard_swish' in {model}",
        "  hard_swish_gate: gate=gate  out=out  plus='plus\\nthree'  six=six",
    ]
    assert cli.main(["graph", "match", model, "hard_swish", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["nodes"]["plus"] == {"op": "Add", "name": "plus\nthree"}
    assert found["values"] == {"sixth": "sixth", "three": "three", "x": "x"}


def test_all_shipped_patterns_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["graph", "match", str(swish(tmp_path / "m.onnx"))]) == 0
    counts = {line.split()[1]: int(line.split()[0]) for line in capsys.readouterr().out.splitlines()}
    assert {name for name, count in counts.items() if count} == {"hard_swish", "hard_swish_gate"}


def test_a_pattern_of_ones_own_and_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "any.yaml").write_text("nodes: {one: {op: [Add, Clip, mul]}}\n")
    model = str(swish(tmp_path / "m.onnx"))
    assert cli.main(["graph", "match", model, str(tmp_path / "any.yaml"), "--limit", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0].split()[0], lines[-1]) == (3, "4", "  … and 3 more: --limit, --json")


def test_a_frozen_graph_without_its_dropout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = graph_of(lambda tf, x: tf.nn.relu(dropout_tf2(tf, x, 0.5), "y"))
    (tmp_path / "in.pb").write_bytes(before.SerializeToString())
    out = tmp_path / "new" / "out.pb"
    assert cli.main(["graph", "match", str(tmp_path / "in.pb"), "dropout", "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"{len(before.node)} nodes before, 2 after\nwritten: {out}\n")
    assert run(files.load(out), "y")[0].min() >= 0
    assert cli.main(["graph", "match", str(out), "dropout", "--out", str(tmp_path / "again.pb")]) == 0
    assert "nothing to take out, nothing written" in capsys.readouterr().out
    assert not (tmp_path / "again.pb").exists()


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line that a mistake gives."""
    assert cli.main(["graph", "match", *map(str, words)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = swish(tmp_path / "m.onnx")
    (tmp_path / "bad.yaml").write_text("nodes: {a: {op: Relu, inptus: [x]}}\n")
    assert "did you mean 'dropout'?" in said(capsys, model, "dropuot")
    assert "unknown key 'inptus'; did you mean 'inputs'?" in said(capsys, model, tmp_path / "bad.yaml")
    assert "No such file" in said(capsys, model, tmp_path / "none.yaml")
    assert "No such file or directory" in said(capsys, tmp_path / "none.onnx", "dropout")
    assert "only a frozen graph, .pb, is rewritten; this is onnx" in said(
        capsys, model, "hard_swish", "--out", tmp_path / "o.pb")  # fmt: skip
    assert "--out and --json need a pattern" in said(capsys, model, "--json")
    cycle = network(tmp_path / "cycle.onnx", reads="y")
    assert f"{cycle}: its nodes wait for each other" in said(capsys, cycle, "dropout")
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:40])
    assert "cut.onnx" in said(capsys, tmp_path / "cut.onnx", "dropout")
