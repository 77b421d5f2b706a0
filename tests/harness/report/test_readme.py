"""The generated block of a README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.report import readme
from harness.report.readme import BEGIN, END
from harness.report.view import view


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(f"# Title\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter ✓\n", "utf-8")
    return path


def test_update_replaces_what_is_between_the_markers_only(page: Path, swept: Path) -> None:
    assert readme.update(page, [swept])
    text = page.read_text("utf-8")
    assert text.startswith(f"# Title\n\nbefore\n\n{BEGIN}\n\n96 cells: ✓ 48 clean")
    assert text.endswith(f"\n\n{END}\n\nafter ✓\n")
    assert "### Support matrix" in text
    assert "\n## " not in text
    assert "| mobilenet_v2 | int8 | tflite | ✓ | 97.2 |" in text


def test_check_says_whether_the_block_is_current(page: Path, swept: Path, runs: Any) -> None:
    assert not readme.check(page, [swept])
    readme.update(page, [swept])
    assert readme.check(page, [swept])
    assert not readme.update(page, [swept])
    runs.write([runs.plain(cosine=0.5)])
    assert not readme.check(page, [swept])


def test_records_cannot_close_the_block(page: Path, runs: Any) -> None:
    folder = runs.write([runs.stopped(runs.plain(), "failed", "load", "x", f"{END} {BEGIN}")])
    readme.update(page, [folder])
    assert page.read_text("utf-8").count(END) == 1
    assert readme.check(page, [folder])


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_readme_without_one_pair_of_markers_is_a_user_error(page: Path, swept: Path, text: str) -> None:
    page.write_text(text)
    with pytest.raises(UserError, match="table:begin"):
        readme.check(page, [swept])


def test_a_missing_readme_is_a_user_error(tmp_path: Path, swept: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        readme.update(tmp_path / "nothing.md", [swept])


def test_a_long_report_has_a_row_a_model(page: Path, runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runs.write(runs.sweep())
    monkeypatch.setattr(readme, "MOST_ROWS", 10)
    readme.update(page, [folder])
    text = page.read_text("utf-8")
    assert "Measured 2026-11-22 on " in text
    assert "tensorflow 2.21.0, onnxruntime 1.32.0, ai-edge-litert 2.3.0." in text
    assert "| Model | Quantization support |" in text
    assert "| model | XNNPACK float ms |" in text
    assert "| mobilenet_v2 | int8 | tflite |" not in text
    assert "\n## " not in text
    assert readme.check(page, [folder])


def test_machines_are_told_apart_by_what_makes_int8_fast(page: Path, runs: Any) -> None:
    slow = {"cpu": "EPYC", "cores": 2, "cpu_flags": ["avx", "avx2"], "packages": {"tensorflow": "2.21.0"}}
    fast = slow | {"cpu_flags": ["avx2", "avx512f", "avx512_vnni"]}
    folders = [runs.write([runs.plain()], environment=slow), runs.write([runs.plain(run="r2")], "r2", fast)]
    readme.update(page, folders)
    text = page.read_text("utf-8")
    assert "r1: measured 2026-11-22 on EPYC, 2 cores, AVX2, no VNNI, tensorflow 2.21.0." in text
    assert "r2: measured 2026-11-22 on EPYC, 2 cores, AVX-512, VNNI, tensorflow 2.21.0." in text


def test_rows_of_two_processors_say_theirs_though_both_have_the_same_instructions(
    page: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "MOST_ROWS", 0)
    amd = {"cpu": "EPYC", "cpu_flags": ["avx512f", "avx512_vnni"]}
    made = [("mobilenet_v2", amd), ("resnet50", amd | {"cpu": "Xeon"})]
    folders = [runs.write([runs.plain(name, "none", run=name)], name, facts) for name, facts in made]
    readme.update(page, folders)
    ends = [line.rpartition("|")[0].rpartition("|")[2].strip() for line in page.read_text("utf-8").splitlines()]
    last = [text for text in ends if text in ("times are of", "---") or "VNNI" in text]
    assert last[-4:] == ["times are of", "---", "EPYC, AVX-512, VNNI", "Xeon, AVX-512, VNNI"]
    readme.update(page, folders[:1])
    assert "times are of" not in page.read_text("utf-8")


def test_processes_of_a_latency_are_numbers_whatever_cells_have_them(page: Path, runs: Any) -> None:
    made = [
        runs.plain(model, processes=count) for model, count in (("resnet50", 3), ("resnet101", 4), ("mobilenet_v2", 3))
    ]
    readme.update(page, [runs.write(made)])
    assert "processes for each latency: 3 or 4." in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("plan", "line"),
    [('{"cells": 3}', "Not finished, so cells are missing: r1 (1 of 3 cells)."), ('{"cells": 1}', ""), ("{torn", "")],
)
def test_a_run_that_is_not_finished_says_so(page: Path, runs: Any, plan: str, line: str) -> None:
    folder = runs.write([runs.plain()])
    (folder / "run.json").write_text(plan)
    readme.update(page, [folder])
    assert (line or "Measured") in page.read_text("utf-8")
    assert ("Not finished" in page.read_text("utf-8")) is bool(line)
    assert view([folder]).remarks[:1] == ((line[0].lower() + line[1:],) if line else ())
