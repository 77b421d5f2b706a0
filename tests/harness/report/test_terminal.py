"""The tables on terminals of every kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.report import terminal


def printed(folder: Path, width: int, *, tty: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=stream, width=width, force_terminal=tty, color_system="standard" if tty else None)
    terminal.show([folder], console)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_nothing_is_cut_or_too_wide(swept: Path, width: int) -> None:
    text = printed(swept, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for word in ("efficientnet_b0", "int16x8", "saved_model", "onnxruntime", "tensorflow", "12096", "0.04×"):
        assert word in text


def test_wide_is_one_table_and_narrow_one_for_each_exporter(swept: Path) -> None:
    wide, narrow = printed(swept, 160).splitlines(), [line.strip() for line in printed(swept, 80).splitlines()]
    assert sum(line.startswith("mobilenet_v2 ") for line in wide) == 2
    assert sum(line.startswith("mobilenet_v2 ") for line in narrow) == 3
    assert narrow.count("mobilenet_v2") == 3


def test_marks_notes_and_remarks(swept: Path) -> None:
    text = printed(swept, 160)
    assert "96 cells: ✓ 48 clean, ~ 2 degraded, ✗ 6 fails, – 40 n/a" in text
    assert "✗⁴" in text
    assert "⁴ int16x8: load: allocate_tensors – no_integer_overflow_from_quantization" in text
    assert "– for every model: onnx × float16, dynamic, int8" in text
    assert "note: dynamic tflite: cpu and xnnpack are the same" in text


def test_colours_only_on_a_terminal(swept: Path) -> None:
    assert "\x1b" not in printed(swept, 120)
    assert "\x1b[1;31m✗" in printed(swept, 120, tty=True)


def test_a_terminal_without_unicode_gets_ascii(swept: Path) -> None:
    text = printed(swept, 120, encoding="ascii")
    assert "+ 48 clean" in text
    assert "x4" in text


def test_messages_cannot_drive_the_terminal(runs: Any) -> None:
    bad = runs.stopped(runs.plain(), "failed", "load", "x", "\x1b]0;title\x07[bold]markup[/bold]")
    text = printed(runs.write([bad]), 120)
    assert "\x1b" not in text
    assert "[bold]markup[/bold]" in text


def test_plain_output_does_not_depend_on_a_terminal(
    swept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal.show([swept])
    assert 100 < max(map(len, capsys.readouterr().out.splitlines())) <= 140
