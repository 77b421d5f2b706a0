"""The command line of history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli
from tests.harness.compare.conftest import Runs
from tests.harness.history.conftest import Nights, noisy


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """Return a factory whose runs are in ``results`` of the working directory: ten equal nights."""
    monkeypatch.chdir(tmp_path)
    return Nights(Runs(tmp_path / "results")).nights(noisy(10))


@pytest.mark.parametrize("words", [[], ["results"], ["results/n*"], ["n00", "n01", "results/n02"]])
def test_runs_are_those_of_results_or_what_is_named(
    nights: Nights, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert cli.main(["history", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 runs" if len(words) == 3 else "10 runs")
    assert lines[-2:] == ["1 cell in the newest night: nothing stands out", "page: reports/history/index.html"]
    assert Path("reports/history/index.html").read_text("utf-8").lstrip().startswith("<!doctype html>")


def test_a_newest_night_that_stands_out_is_exit_code_1(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.nights([2.4])
    assert cli.main(["history", "--json", "o/h.json", "--page", "o/h.html"]) == 1
    assert "(1.20×)" in capsys.readouterr().out
    assert json.loads(Path("o/h.json").read_text("utf-8"))["regression"] is True
    assert Path("o/h.html").is_file()
    assert not Path("reports").exists()


def test_what_stands_out_can_be_measured_again_and_told_in_markdown(
    nights: Nights, capsys: pytest.CaptureFixture[str]
) -> None:
    nights.nights([2.4])
    assert cli.main(["history", "--confirm", "--markdown", "o/h.md"]) == 1
    page = Path("o/h.md").read_text("utf-8")
    assert page.startswith("## ✗ 1 cell in the newest night: 1 regression\n\n11 runs, 2026-09-01 … 2026-09-11")
    assert "unconfirmed: the run before was measured on another machine" in page
    assert "- old: the newest run is " in page
    assert "unconfirmed" in capsys.readouterr().out


def test_thresholds_are_the_newest_runs_own_and_can_be_set(nights: Nights) -> None:
    nights.nights([2.4])
    assert cli.main(["history", "--set", "latency=0.3"]) == 0
    config = nights.runs.root / "n10" / "config.yaml"
    config.write_text("verdict: {schemes: {default: {}}, history: {latency: 0.3}}\n")
    assert cli.main(["history"]) == 0
    assert cli.main(["history", "--verdict", "default"]) == 1
    config.write_text("verdict: {schemes: {default: {}}}\n")
    assert cli.main(["history"]) == 1
    config.write_text("verdict: [\n")
    assert cli.main(["history"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], ["nowhere: no such run", "records.jsonl"]),
        (["--set", "windw=1"], ["history.windw: unknown key (--set)", "did you mean 'window'"]),
        (["--set", "window=1"], ["history.window: 1 is out of range", "3 … 1000"]),
        (["--set", "latency=much"], ["history.latency: expected a number"]),
        (["--set", "latency"], ["expected KEY=VALUE"]),
        (["--verdict", "defalt"], ["did you mean 'default'"]),
        (["--page", "results/n00/records.jsonl/x"], ["cannot be written"]),
    ],
)
def test_a_mistake_is_one_line(
    nights: Nights, capsys: pytest.CaptureFixture[str], words: list[str], told: list[str]
) -> None:
    assert cli.main(["history", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in told), line
