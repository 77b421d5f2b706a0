"""The command export-benchmark, and pytest-benchmark's own command on what it writes."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from tests.harness.compare.conftest import Runs, cell

HISTOGRAM = importlib.util.find_spec("pygal") is not None


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Write two nights of two cells; in the second the int8 one is slower."""
    monkeypatch.chdir(tmp_path)
    runs = Runs(tmp_path / "results")
    runs.write("monday", [runs.record("monday", cell("none"), medians_ms=(4.0, 4.0)), runs.record("monday")])
    slower = runs.record("tuesday", medians_ms=(3.0, 3.0, 3.0), day=2)
    runs.write("tuesday", [runs.record("tuesday", cell("none"), medians_ms=(4.0, 4.0), day=2), slower])
    return runs


def compare(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_benchmark", "compare", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def exported(*names: str) -> list[str]:
    for name in names:
        assert cli.main(["export-benchmark", name]) == 0
    return [f"reports/{name}/benchmark.json" for name in names]


def test_pytest_benchmark_compares_two_runs(two: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    files = exported("monday", "tuesday")
    assert capsys.readouterr().out.split() == files
    done = compare(*files, "--columns=min,median,rounds", "--sort=name")
    assert "benchmark 'mobilenet_v2, digits': 4 tests" in done.stdout
    assert "Failed to load" not in done.stdout + done.stderr
    rows = re.findall(
        r"^latency\[mobilenet_v2/(\w+)/tflite/xnnpack/t1\] \((\w+)/benchmark\) +([\d.]+)", done.stdout, re.M
    )
    assert sorted(rows) == [
        ("int8", "monday", "2.0000"), ("int8", "tuesday", "3.0000"),
        ("none", "monday", "4.0000"), ("none", "tuesday", "4.0000"),
    ]  # fmt: skip


def test_it_groups_by_our_axes_and_filters_by_our_names(two: Runs) -> None:
    done = compare(*exported("monday"), "--group-by=param:quant", "-k", "int8")
    assert "benchmark 'quant=int8': 1 tests" in done.stdout
    assert "quant=none" not in done.stdout


def test_it_writes_csv_with_our_parameters(two: Runs) -> None:
    compare(*exported("monday"), "--csv=out.csv")
    head, *rows = Path("out.csv").read_text().splitlines()
    assert "param:runtime" in head
    assert len(rows) == 2


@pytest.mark.skipif(not HISTOGRAM, reason="pygal is missing: pip install 'pytest-benchmark[histogram]'")
def test_it_plots(two: Runs) -> None:
    compare(*exported("monday", "tuesday"), "--histogram=plot")
    (drawn,) = Path().glob("plot-*.svg")
    assert "int8/tflite/xnnpack" in drawn.read_text()


def test_left_out_cells_are_counted_and_the_file_can_be_chosen(two: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    two.write("part", [two.record("part", cell("none")), two.stopped(two.record("part"))])
    assert cli.main(["export-benchmark", "results/part", "--out", "deep/0001_part.json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == "left out, without raw samples: 1 cells\n"
    assert len(json.loads(Path("deep/0001_part.json").read_text())["benchmarks"]) == 1


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("nothing", "error: nothing: no such run"),
        ("results/*", "error: results/*: 2 runs; allowed: one, as pytest-benchmark has a file for each"),
    ],
)
def test_mistakes_are_one_line(two: Runs, capsys: pytest.CaptureFixture[str], run: str, told: str) -> None:
    assert cli.main(["export-benchmark", run]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)


def test_a_run_without_samples_is_a_mistake(two: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    two.write("none", [two.stopped(two.record("none"))])
    assert cli.main(["export-benchmark", "none"]) == 2
    assert "none of its 1 cells has raw samples" in capsys.readouterr().err
    assert not Path("reports").exists()
