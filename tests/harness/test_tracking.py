"""Trackers at the end of a sweep: what they are given, and that none of them can spoil it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from harness import cli, config, locks, plugins, store
from harness.errors import UserError
from harness.paths import conf_dir
from harness.runner import schedule

FAKES = Path(__file__).parent / "runner" / "fakes"
OWN = """
import json
from dataclasses import dataclass
from pathlib import Path
from harness.errors import UserError

@dataclass
class Options:
    out: str
    fault: str = ""

def ready(options):
    if options.fault == "not ready":
        raise UserError("tracker.fault: not ready; allowed: another")

def track(run, options):
    if options.fault:
        raise ConnectionError("no\\nroute " + options.fault)
    Path(options.out).write_text(json.dumps({j.record.cell.id: j.verdict.verdict for j in run.cells}))
    return f"file {run.name}"
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words of a sweep of two stand-in cells with a tracker of one's own."""
    shutil.copytree(FAKES / "stages", tmp_path / "stages")
    shutil.copytree(FAKES / "plugins", tmp_path / "plugins")
    (tmp_path / "plugins" / "trackers").mkdir()
    (tmp_path / "plugins" / "trackers" / "mine.py").write_text(OWN)
    monkeypatch.setenv("HARNESS_STAGE_PATH", str(tmp_path / "stages"))
    monkeypatch.setattr(locks, "SYSTEM_TEMP", tmp_path)
    monkeypatch.chdir(tmp_path)
    own = ["cache_dir=cache", "plugins_dir=plugins", "run_id=one", "tracker.method=mine", "+tracker.out=sent.json"]
    return [
        "runtime=[cpu,xnnpack]",
        "quant=none",
        "export=tflite",
        "task=photos",
        "measure=quick",
        "limits.jobs=1",
        *own,
    ]


def test_a_tracker_gets_every_cell_with_its_verdict(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(sweep) == 0
    told = capsys.readouterr()
    assert set(json.loads(Path("sent.json").read_text())) == {
        "mobilenet_v2/none/tflite/cpu/t1",
        "mobilenet_v2/none/tflite/xnnpack/t1",
    }
    assert "tracked: file one" in told.err.splitlines()
    assert told.out.splitlines()[-1] == f"run: {Path('results/one').absolute()}"
    assert "tracker" not in store.read(Path("results/one"))[0].reproduce


def test_a_tracker_that_fails_is_one_line_and_the_same_command_sends_again(
    sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*sweep, "+tracker.fault=at all"]) == 0
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("warning: tracker")]
    assert lines == [
        "warning: tracker mine failed (ConnectionError: no route at all); the records in "
        f"{Path('results/one').absolute()} are safe, the same command with run_id=one sends them again"
    ]
    assert told.out.splitlines()[-1] == f"run: {Path('results/one').absolute()}"
    kept = Path("results/one/records.jsonl").read_bytes()
    assert cli.main(sweep) == 0
    assert len(json.loads(Path("sent.json").read_text())) == 2
    assert Path("results/one/records.jsonl").read_bytes() == kept


def test_what_is_missing_is_told_before_anything_runs(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*sweep, "+tracker.fault=not ready"]) == 2
    assert capsys.readouterr().err == "error: tracker.fault: not ready; allowed: another\n"
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tracker=mlfow", r"tracker: 'mlfow' does not exist; did you mean 'mlflow'"),
        ("tracker.method=mlfow", r"tracker\.method: tracker 'mlfow' does not exist: did you mean 'mlflow'"),
        ("+tracker.url=x", r"tracker\.url: unknown key"),
        ("tracker=[none,mlflow]", r"tracker: one choice a run"),
    ],
)
def test_a_mistake_is_one_line(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        config.compose([override])


def test_the_time_of_a_request_has_bounds() -> None:
    with pytest.raises(UserError, match=r"tracker\.timeout_s: 0 is out of range .*allowed: 1 … 600"):
        config.compose(["tracker=mlflow", "tracker.timeout_s=0"])


@pytest.mark.parametrize("name", config.choices("tracker"))
def test_a_preset_lists_every_option_of_its_tracker(name: str) -> None:
    preset = yaml.safe_load((conf_dir() / "tracker" / f"{name}.yaml").read_text())
    assert preset == {"method": name, **plugins.defaults(plugins.load("trackers", name))}
    assert config.compose([f"tracker={name}"]).config.tracker == preset


def test_the_tracker_is_no_part_of_the_command_that_reproduces_a_cell() -> None:
    assert "tracker" in schedule.PRIVATE_KEYS
