"""The command ``graph draw``."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import onnx
import pytest
from onnx import TensorProto, helper

from harness import cli


def network(path: Path, reads: str = "x", names: tuple[str, str] = ("first", "last")) -> Path:
    """Write a model of two nodes: abs, relu."""
    nodes = [helper.make_node("Abs", [reads], ["a"], names[0]), helper.make_node("Relu", ["a"], ["y"], names[1])]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", ports[:1], ports[1:]))
    path.write_bytes(model.SerializeToString())
    return path


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line that a mistake gives."""
    assert cli.main(["graph", "draw", *map(str, words)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize("format", ["svg", "png", "dot"])
def test_draws_to_a_file_of_the_format_that_its_name_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    out = tmp_path / "new" / f"picture.{format}"
    assert cli.main(["graph", "draw", str(network(tmp_path / "m.onnx")), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "dot": b"digraph"}
    assert out.read_bytes().startswith(starts[format])


def test_the_default_is_an_svg_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network(tmp_path / "m.onnx", names=("two\nlines", "<script>"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["graph", "draw", "m.onnx"]) == 0
    root = ET.parse(tmp_path / "m.svg").getroot()
    assert "two↵lines" in "".join(root.itertext())
    assert any("Relu: <script>" in value for one in root.iter() for value in one.attrib.values())


def test_side_by_side(tmp_path: Path) -> None:
    one, other = network(tmp_path / "one.onnx"), network(tmp_path / "other.onnx")
    out = tmp_path / "both.svg"
    assert cli.main(["graph", "draw", str(one), "--beside", str(other), "--out", str(out), "--depth", "operators"]) == 0
    text = "".join(ET.parse(out).getroot().itertext())
    assert "before: one.onnx" in text
    assert "after: other.onnx" in text


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = network(tmp_path / "m.onnx")
    assert "No such file or directory" in said(capsys, tmp_path / "none.onnx")
    assert "which format? allowed" in said(capsys, model, "--out", tmp_path / "x.gif")
    assert "invalid choice: 'gif'" in said(capsys, model, "--format", "gif")
    assert "invalid choice: 'all'" in said(capsys, model, "--depth", "all")
    assert "--expand block_9: no block has this name" in said(capsys, model, "--expand", "block_9")
    assert "cannot be written" in said(capsys, model, "--out", tmp_path / "m.onnx" / "x.dot")
    assert "No such file or directory" in said(capsys, model, "--beside", tmp_path / "none.onnx")


def test_a_cycle_and_a_truncated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cycle = network(tmp_path / "cycle.onnx", reads="y")
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(cycle.read_bytes())
    assert "wait for each other: first → last → first" in said(capsys, cycle, "--format", "dot")
    assert f"{cycle}: its nodes" in said(capsys, network(tmp_path / "m.onnx"), "--beside", cycle, "--format", "dot")
    content = network(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    assert "cut.onnx" in said(capsys, tmp_path / "cut.onnx")
