"""Pictures of the artifacts beside the page: each once, linked where it is, and a line for what cannot be drawn."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper, save

from harness import cli

pytestmark = pytest.mark.skipif(
    shutil.which("dot") is None, reason="no dot on the PATH; Debian: apt-get install graphviz"
)


@pytest.fixture
def run(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a run of two runtimes with one artifact, one without a file and one with a file that is none."""
    monkeypatch.chdir(tmp_path)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3)) for name in ("image", "scores")]
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["scores"])], "g", ports[:1], ports[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), "model.onnx")
    Path("torn.onnx").write_bytes(b"no model")
    cells = [
        replace(runs.plain(runtime=runtime), artifact="model.onnx", artifact_sha256="ab" * 32)
        for runtime in ("cpu", "xnnpack")
    ]
    gone = replace(runs.plain(quant="none"), artifact="gone.tflite", artifact_sha256="cd" * 32)
    torn = replace(runs.plain(quant="dynamic"), artifact="torn.onnx", artifact_sha256="ef" * 32)
    folder: Path = runs.write([*cells, gone, torn])
    return folder


def linked() -> list[str | None]:
    page = Path("out/index.html").read_text()
    found = re.search(r'id="cell-details">([^<]*)<', page)
    assert found is not None
    cells = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return [cell.get("drawing") for cell in cells]


def test_an_artifact_is_drawn_once_and_linked_from_its_cells(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(run), "--out", "out", "--draw"]) == 0
    said = capsys.readouterr()
    (drawing,) = Path("out/drawings").iterdir()
    assert drawing.name == "abababababababab.svg"
    assert "Relu" in drawing.read_text()
    assert f"out/drawings/{drawing.name}\n" in said.out
    lines = said.err.splitlines()
    assert [line.partition("]")[0] for line in lines if "] drawing " in line] == ["[0/3", "[1/3", "[2/3"]
    assert sorted(line.partition(": not drawn")[0] for line in lines if ": not drawn" in line) == [
        "mobilenet_v2/dynamic/tflite/xnnpack/t1", "mobilenet_v2/none/tflite/xnnpack/t1",
    ]  # fmt: skip
    assert linked().count(f"drawings/{drawing.name}") == 2
    assert linked().count(None) == 2


def test_without_drawings_nothing_is_linked(run: Path) -> None:
    assert cli.main(["report", str(run), "--out", "out"]) == 0
    assert linked() == [None] * 4


def test_some_cells_can_be_chosen(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(run), "--out", "out", "--draw", "int8"]) == 0
    assert capsys.readouterr().err == "[0/1] drawing mobilenet_v2/int8/tflite/xnnpack/t1\n"
    assert len(list(Path("out/drawings").iterdir())) == 1
    assert cli.main(["report", str(run), "--out", "out", "--draw", "int7"]) == 2
    assert capsys.readouterr().err.startswith("error: --draw int7: no cell has this in its id; such as mobilenet_v2/")


def test_without_the_program_it_is_told_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["report", str(run), "--out", "out", "--draw"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the program 'dot'" in line
