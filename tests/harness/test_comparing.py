"""The command line of compare, history and export-benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness import cli, comparing
from harness.errors import UserError
from tests.harness.compare.conftest import Runs, cell


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Return a factory whose runs are in ``results`` of the working directory."""
    monkeypatch.chdir(tmp_path)
    return Runs(tmp_path / "results")


@pytest.fixture
def three(runs: Runs) -> Runs:
    """Write a base, an equal run and a slow one."""
    runs.write("base", [runs.record("base")])
    runs.write("equal", [runs.record("equal", medians_ms=(2.01, 2.03, 2.0))])
    runs.write("slow", [runs.record("slow", medians_ms=(2.3, 2.31, 2.32))])
    return runs


@pytest.mark.parametrize("base", ["results/base", "base", "results/base/records.jsonl", "results/b*e"])
def test_a_side_is_a_folder_a_name_a_file_or_a_glob(three: Runs, capsys: pytest.CaptureFixture[str], base: str) -> None:
    assert cli.main(["compare", base, "equal"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 cell on both sides: no difference"


def test_a_regression_is_exit_code_1_and_is_written_in_every_form(
    three: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(["compare", "base", "slow", "--markdown", "o/a.md", "--json", "o/a.json", "--junit", "o/a.xml"]) == 1
    )
    out = capsys.readouterr().out
    assert f"{cell().id}  2.02 → 2.31 ms (1.14×)" in out
    assert Path("o/a.md").read_text().startswith("## ✗")
    assert json.loads(Path("o/a.json").read_text())["regression"] is True
    assert ET.parse("o/a.xml").find("testsuite/testcase/failure") is not None


def test_thresholds_are_the_candidates_own_and_can_be_set(three: Runs) -> None:
    assert cli.main(["compare", "base", "slow", "--set", "latency=0.2"]) == 0
    (three.root / "slow" / "config.yaml").write_text("verdict: {schemes: {default: {}}, compare: {latency: 0.3}}\n")
    assert cli.main(["compare", "base", "slow"]) == 0
    assert cli.main(["compare", "base", "slow", "--verdict", "default"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere", "slow"], ["nowhere: no such run", "records.jsonl"]),
        (["base"], ["required: cand"]),
        (["base", "slow", "--set", "latncy=1"], ["compare.latncy: unknown key (--set)", "did you mean 'latency'"]),
        (["base", "slow", "--set", "latency=much"], ["compare.latency: expected a number"]),
        (["base", "slow", "--set", "latency"], ["expected KEY=VALUE"]),
        (["base", "slow", "--set", "latency.low=1"], ["'latency' is one value"]),
        (["base", "slow", "--set", "significance=2"], ["out of range", "0.0 … 1.0"]),
        (["base", "slow", "--verdict", "defalt"], ["did you mean 'default'"]),
        (["base", "slow", "--json", "results/base/records.jsonl/x"], ["cannot be written"]),
    ],
)
def test_a_mistake_is_one_line(
    three: Runs, capsys: pytest.CaptureFixture[str], words: list[str], told: list[str]
) -> None:
    assert cli.main(["compare", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in told), line


def test_expected_failures_come_from_a_file(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.write("base", [runs.record("base")])
    runs.write("broken", [runs.stopped(runs.record("broken"))])
    assert cli.main(["compare", "base", "broken"]) == 1
    file = tmp_path / "known.yaml"
    entry = (
        "about: x\n  cells: ['*']\n  stage: export\n  reason: .*\n  link: https://x\n  package: numpy\n  since: '2'\n"
    )
    file.write_text(f"mine:\n  {entry}")
    assert cli.main(["compare", "base", "broken", "--known", str(file)]) == 0
    assert "1 known issue" in capsys.readouterr().out
    file.write_text(f"mine:\n  {entry}  reasn: x\n")
    assert cli.main(["compare", "base", "broken", "--known", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mine.reasn: unknown key" in line


def test_a_suspicion_that_cannot_be_measured_again_stays_one(three: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", "base", "slow", "--confirm"]) == 1
    assert "unconfirmed: the base was measured on another machine" in capsys.readouterr().out
    assert cli.main(["compare", "base", "equal", "--confirm"]) == 0
    assert "confirmed" not in capsys.readouterr().out


def test_where_nothing_can_be_written_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "out.json", Path("/"), tmp_path / ("x" * 300) / "y"):
        with pytest.raises(UserError, match="cannot be written; allowed: a file in a writable folder"):
            comparing.compare_command(["no_such_run", "nor_this", "--json", str(place)])
