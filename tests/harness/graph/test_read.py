from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import StageFailed, Unsupported
from harness.graph.read import read


def test_finds_the_reader_by_its_file_name(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(StageFailed, match=r"\.tflite"):
        read(tmp_path / "model.tflite", "tflite")


@pytest.mark.parametrize("format", ["coreml", "macs", "read", "../x", ""])
def test_other_formats_are_unsupported(tmp_path: Path, format: str) -> None:
    with pytest.raises(Unsupported, match="no reader") as caught:
        read(tmp_path, format)
    assert caught.value.reason == "no_reader"
