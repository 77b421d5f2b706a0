"""Whole runs through real worker processes with stand-in stages: every way to die is one record, nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from harness import config, store
from harness.cache import Cache
from harness.errors import UserError
from tests.harness.runner.whole import by_export, command, fault, journal, run, stand_ins, workers_left


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_ins(tmp_path, monkeypatch)


def test_every_way_to_die_is_one_record_and_the_others_are_untouched(tmp_path: Path, stages: Path) -> None:
    kinds = ["raise", "segv", "abort", "hang", "memory", "exit0", "large_file", "unsupported", "user", "killed_once"]
    limits = ["limits.timeout_s.export=8", "limits.job_memory_gib=0.4", "limits.file_gib=0.01"]
    done = run(tmp_path, *limits, *map(fault, kinds))
    found = by_export(done.records)
    assert len(done.records) == 2 * (1 + len(kinds))
    told = {name: (r.status, r.failure.stage, r.failure.reason) for name, r in found.items() if r.failure}
    assert told == {
        "raise": ("failed", "export", "runtime_error"),
        "segv": ("crashed", "export", "signal_11"),
        "abort": ("crashed", "export", "signal_6"),
        "hang": ("timeout", "export", "timeout"),
        "memory": ("out_of_memory", "export", "memory_limit"),
        "exit0": ("failed", "export", "no_result"),
        "large_file": ("failed", "export", "file_too_large"),
        "unsupported": ("unsupported", "export", "no_such_form"),
        "user": ("failed", "export", "user_error"),
    }
    assert found["tflite"].status == found["killed_once"].status == "ok"
    assert done.user_errors == ["mobilenet_v2: model.path: the file is truncated"]
    log = done.folder / found["raise"].logs["export"]
    assert "the noise of a library" in log.read_text()
    for record in done.records:
        again = config.compose(shlex.split(record.reproduce)[3:]).config
        assert (list(again.export), list(again.runtime)) == ([record.cell.export], [record.cell.runtime])
        assert again.rerun
    assert not workers_left(stages)


def test_speed_ups_are_paired_and_every_absent_column_has_a_reason(tmp_path: Path, stages: Path) -> None:
    record = next(r for r in run(tmp_path).records if r.cell.runtime == "xnnpack")
    assert record.values["latency_p50_ms"] == pytest.approx(1.0)
    assert record.values["speedup_vs_cpu"] == pytest.approx(4.0)
    assert record.missing["top1"] == "no labels"
    samples = json.loads((tmp_path / "results" / record.run / record.details["files"]["samples"]).read_text())
    assert len(samples["rounds"][0]["wall_ns"]) == 300


def test_the_same_again_does_no_work(tmp_path: Path, stages: Path) -> None:
    first = run(tmp_path)
    before = journal(stages)
    second = run(tmp_path)
    assert journal(stages) == before
    assert second.folder != first.folder
    assert [r.values for r in second.records] == [r.values for r in first.records]


def test_rerun_measures_again_and_converts_nothing(tmp_path: Path, stages: Path) -> None:
    run(tmp_path)
    before = journal(stages)
    run(tmp_path, "rerun=true")
    again = journal(stages) - before
    assert {job.split("/")[0] for job in again} == {"evaluate", "latency"}


@pytest.mark.parametrize(
    ("kind", "redone"),
    [
        (
            "other",
            {"export/mobilenet_v2/none/x", "evaluate/mobilenet_v2/none/x/cpu", "evaluate/mobilenet_v2/none/x/xnnpack"},
        ),
        ("slow", {"export/mobilenet_v2/none/x"}),
    ],
)
def test_a_changed_option_redoes_exactly_what_depends_on_it(
    tmp_path: Path, stages: Path, kind: str, redone: set[str]
) -> None:
    """An export that comes out byte for byte as before (``slow``) does not disturb what stands on it."""
    run(tmp_path, "+export.x={method: fault, kind: good}")
    before = journal(stages)
    run(tmp_path, f"+export.x={{method: fault, kind: {kind}}}")
    again = journal(stages) - before
    assert {job for job in again if not job.startswith("latency")} == redone


def test_a_damaged_cache_entry_is_made_again(tmp_path: Path, stages: Path) -> None:
    run(tmp_path)
    artifact = next((tmp_path / "c" / "entries" / "export").rglob("model.tflite"))
    artifact.write_text("garbage")
    done = run(tmp_path)
    assert journal(stages)["export/mobilenet_v2/none/tflite"] == 2
    assert {r.status for r in done.records} == {"ok"}


def test_a_named_run_goes_on_and_doubles_nothing(tmp_path: Path, stages: Path) -> None:
    run(tmp_path, "run_id=mine")
    again = run(tmp_path, "run_id=mine")
    assert again.folder.name == "mine"
    assert len(again.records) == 2


def test_rerun_of_a_finished_named_run_sets_the_old_records_aside(tmp_path: Path, stages: Path) -> None:
    run(tmp_path, "run_id=mine")
    run(tmp_path, "run_id=mine", "rerun=true")
    folder = tmp_path / "results" / "mine"
    assert len(store.read(folder)) == 2
    assert (folder / "records.1.jsonl").is_file()


def _stopped(folder: Path) -> None:
    """Make an unfinished run of a finished one."""
    state = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(state | {"complete": False}))


@pytest.mark.parametrize("named", [[], ["run_id=mine"]], ids=["by its plan", "by name"])
def test_rerun_of_an_unfinished_run_measures_what_that_has_recorded(
    tmp_path: Path, stages: Path, named: list[str]
) -> None:
    first = run(tmp_path, *named).folder
    _stopped(first)
    before = journal(stages)
    again = run(tmp_path, "rerun=true", *named)
    assert {job.split("/")[0] for job in journal(stages) - before} == {"evaluate", "latency"}
    assert len(again.records) == 2
    assert (again.folder == first) == bool(named)
    assert (first / "records.1.jsonl").is_file() == bool(named)
    _stopped(again.folder)
    before = journal(stages)
    assert run(tmp_path, "rerun=true", *named).folder == again.folder  # a rerun itself is gone on with
    assert journal(stages) == before


def test_what_is_the_fault_of_the_surroundings_is_tried_again(tmp_path: Path, stages: Path) -> None:
    for kind in ("gone", "raise"):
        failed = [by_export(run(tmp_path, fault(kind)).records)[kind] for _ in range(2)]
        assert {one.status for one in failed} == {"failed"}
    counts = journal(stages)
    assert [counts[f"export/mobilenet_v2/none/{kind}"] for kind in ("gone", "raise")] == [2, 1]


def test_a_cache_that_is_full_costs_no_measurement(
    tmp_path: Path, stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Cache.begin

    def full(self: Cache, kind: str, key: str) -> Path:
        if kind == where:
            raise OSError(errno.ENOSPC, "No space left on device")
        return begin(self, kind, key)

    where = "latency"
    monkeypatch.setattr(Cache, "begin", full)
    assert {one.status for one in run(tmp_path).records} == {"ok"}
    where = "export"
    with pytest.raises(UserError, match=r"c cannot be written \(No space left on device\); what is recorded is safe"):
        run(tmp_path, fault("slow"))
    assert not workers_left(stages)


def test_killed_anywhere_it_goes_on_with_nothing_lost_or_doubled(tmp_path: Path, stages: Path) -> None:
    chance = random.Random(1)
    more = ["run_id=torn", *(f"+export.{name}={{method: fault, kind: slow}}" for name in "abcd")]
    for _ in range(6):
        process = command(tmp_path, *more)
        time.sleep(chance.uniform(0.5, 3.0))
        process.kill()
        process.wait()
    last = command(tmp_path, *more)
    assert last.wait() == 0, (tmp_path / "err").read_text()
    records = store.read(tmp_path / "results" / "torn")
    assert Counter(r.cell.id for r in records) == Counter(
        f"mobilenet_v2/none/{e}/{r}/t1" for e in ["tflite", *"abcd"] for r in ["cpu", "xnnpack"]
    )
    assert {r.status for r in records} == {"ok"}
    _wait_until_gone(stages)


def _wait_until_gone(stages: Path) -> None:
    for _ in range(100):
        if not workers_left(stages):
            return
        time.sleep(0.1)
    assert not workers_left(stages)


def test_an_unfinished_run_is_found_and_gone_on_with(tmp_path: Path, stages: Path) -> None:
    more = [f"+export.{name}={{method: fault, kind: slow}}" for name in "ab"]
    process = command(tmp_path, *more)
    while not list((tmp_path / "results").glob("*/run.json")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert command(tmp_path, *more).wait() == 0
    assert len(list((tmp_path / "results").glob("*/run.json"))) == 1


def test_two_at_once_on_one_run_folder_is_told_in_one_line(tmp_path: Path, stages: Path) -> None:
    more = ["run_id=one", fault("slow")]
    first, second = command(tmp_path, *more), command(tmp_path, *more)
    codes = sorted([first.wait(), second.wait()])
    assert codes == [0, 2]
    assert "another harness" in (tmp_path / "err").read_text()
    assert len(store.read(tmp_path / "results" / "one")) == 4


def test_two_at_once_on_one_results_folder_both_finish(tmp_path: Path, stages: Path) -> None:
    first, second = command(tmp_path, fault("slow")), command(tmp_path, fault("slow"))
    assert [first.wait(), second.wait()] == [0, 0]
    assert journal(stages)["export/mobilenet_v2/none/slow"] == 1
    assert len(list((tmp_path / "results").glob("*/run.json"))) == 2


@pytest.mark.parametrize(("times", "apart"), [(1, 0.05), (2, 0.05), (1000, 0.01)])
def test_interrupted_by_the_keyboard_it_ends_at_once_and_goes_on_later(
    tmp_path: Path, stages: Path, times: int, apart: float
) -> None:
    process = command(tmp_path, "run_id=stopped", fault("hang"))
    while "export/mobilenet_v2/none/hang" not in (
        (stages / "journal").read_text() if (stages / "journal").exists() else ""
    ):
        time.sleep(0.05)
    for _ in range(times):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(apart)
    assert process.wait(timeout=30) == 130
    assert "the same command goes on" in (tmp_path / "err").read_text()
    assert "Traceback" not in (tmp_path / "err").read_text()
    _wait_until_gone(stages)


def test_a_results_folder_that_cannot_be_written_is_told_before_work(tmp_path: Path, stages: Path) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    process = command(tmp_path)
    assert process.wait() == 2
    text = (tmp_path / "err").read_text()
    assert "results_dir=" in text
    assert "Traceback" not in text
    assert not (stages / "journal").exists()


@pytest.mark.parametrize("gate", [("never", 0), ("fails", 1), ("degraded", 1)])
def test_gates_decide_the_exit_code(tmp_path: Path, stages: Path, gate: tuple[str, int]) -> None:
    process = command(tmp_path, f"fail_on={gate[0]}", fault("raise"))
    assert process.wait() == gate[1]
    assert (tmp_path / "out").read_text().splitlines()[-1].startswith("run: ")


def test_the_last_line_on_stdout_is_the_folder_of_the_run(tmp_path: Path, stages: Path) -> None:
    assert command(tmp_path, "run_id=named").wait() == 0
    folder = Path((tmp_path / "out").read_text().splitlines()[-1].removeprefix("run: "))
    assert (folder / "records.jsonl").is_file()
    assert (tmp_path / "reports" / "named" / "index.html").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_disk_loses_no_record(tmp_path: Path, stages: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        process = command(tmp_path, f"results_dir={small}", "run_id=full", fault("raise"), fault("slow"))
        code = process.wait()
        text = (tmp_path / "err").read_text()
        assert code == 2, text
        assert "room" in text or "No space" in text
        assert "Traceback" not in text
        kept = store.read(small / "full")
        assert len({r.cell.id for r in kept}) == len(kept)
    finally:
        subprocess.run(["umount", str(small)], check=True)
