"""Content decides what a file is, its name does not; what is broken is told in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.graph.identify import READABLE
from harness.graph.read import open_file

FILES = {"tflite": "float32.tflite", "onnx": "float32.onnx", "frozen": "frozen.pb", "keras": "model.keras"}


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("name", ["model", "model.tflite", "model.onnx", "model.pb", "model.json"])
def test_a_file_under_any_name(tiny: Path, tmp_path: Path, format: str, name: str) -> None:
    shutil.copy(tiny / FILES[format], tmp_path / name)
    assert open_file(tmp_path / name).format == format


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_one_line(tiny: Path, tmp_path: Path, format: str, share: float) -> None:
    content = (tiny / FILES[format]).read_bytes()
    path = tmp_path / FILES[format]
    path.write_bytes(content[: int(len(content) * share)])
    said = mistake(path)
    assert said.startswith(f"{path}: ")
    assert ("empty" in said) == (share == 0.0)


def mistake(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders(tiny: Path, tmp_path: Path) -> None:
    assert open_file(tiny / "saved_model").format == "saved_model"
    assert open_file(tiny / "saved_model" / "saved_model.pb").format == "saved_model"
    assert "neither" in mistake(tmp_path)
    shutil.copy(tiny / "saved_model" / "saved_model.pb", tmp_path / "x.pb")
    assert "SavedModel under another name" in mistake(tmp_path / "x.pb")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "save the model as .keras"),
        (b"%PDF-1.7 and so on", READABLE),
        (b"#!/bin/sh\nexit\n", READABLE),
        (b"PK\x03\x04" + bytes(40), "damaged"),
        (b"{}", "modelTopology"),
    ],
)
def test_what_is_no_model(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "model").write_bytes(content)
    assert words in mistake(tmp_path / "model")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "No such file" in mistake(tmp_path / "none.tflite")


@given(content=st.binary(max_size=200), name=st.sampled_from(["m", "m.tflite", "m.onnx", "m.pb", "m.keras", "m.json"]))
def test_no_bytes_lead_to_anything_but_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("bytes", numbered=True) / name
    path.write_bytes(content)
    try:
        open_file(path)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some bytes are a model
