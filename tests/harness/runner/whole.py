"""Whole runs with stand-in stages: how tests start them, and what they look at afterwards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness import config
from harness.records import Record
from harness.runner import schedule
from harness.runner.progress import Progress

FAKES = Path(__file__).parent / "fakes"
BASE = ["quant=none", "runtime=[cpu,xnnpack]", "export=tflite", "task=photos", "measure=quick", "limits.jobs=2"]


def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stages that do next to nothing in the place of the real ones; return their folder."""
    folder = tmp_path / "stages"
    shutil.copytree(FAKES / "stages", folder)
    monkeypatch.setenv("HARNESS_STAGE_PATH", str(folder))
    return folder


def overrides(tmp_path: Path, *more: str) -> list[str]:
    own = [f"results_dir={tmp_path / 'results'}", f"reports_dir={tmp_path / 'reports'}", f"cache_dir={tmp_path / 'c'}"]
    return [*BASE, *own, f"plugins_dir={FAKES / 'plugins'}", *more]


def fault(kind: str) -> str:
    return f"+export.{kind}={{method: fault, kind: {kind}}}"


def run(tmp_path: Path, *more: str) -> schedule.Run:
    with (tmp_path / "progress").open("a") as stream:
        return schedule.run(config.compose(overrides(tmp_path, *more)), Progress(stream=stream))


def command(tmp_path: Path, *more: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "harness", *overrides(tmp_path, *more)]
    # a shell lets what it starts in the background ignore Ctrl-C, the tests as well; the command under test must not
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (tmp_path / "out").open("ab") as out, (tmp_path / "err").open("ab") as err:
            return subprocess.Popen(words, stdout=out, stderr=err)
    finally:
        signal.signal(signal.SIGINT, before)


def journal(stages: Path) -> Counter[str]:
    return Counter((stages / "journal").read_text().split())


def by_export(records: list[Record]) -> dict[str, Record]:
    return {r.cell.export: r for r in records if r.cell.runtime == "cpu"}


def workers_left(root: Path) -> list[psutil.Process]:
    def ours(process: psutil.Process) -> bool:
        try:
            return "harness.runner.worker" in process.cmdline() and str(root) in str(process.environ())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    return [process for process in psutil.process_iter() if ours(process)]
