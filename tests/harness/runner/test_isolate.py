"""Jobs in real worker processes: each way to end has its result."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import codec
from harness.records import JobResult
from harness.runner import isolate

GIB = 2**30


def test_a_job_is_answered(lab: Any) -> None:
    worker = lab.start()
    work = lab.job("good")
    result = lab.do(worker, work)
    assert (result.id, result.failure) == ("j1", None)
    assert (result.values, result.missing) == ({"answer": 42}, {"top1": "no labels"})
    assert result.details == {"list": [1, 2]}
    assert result.seconds > 0
    assert result.peak_rss_bytes > 2**20
    assert worker.stage == "export"
    assert worker.job is None
    assert Path(work.log).read_text().split("\n")[:2] == ["noise", "raw noise"]
    assert codec.decode(Path(work.result).read_bytes(), JobResult) == result


def test_a_persistent_worker_goes_on_after_a_failure(lab: Any, tmp_path: Path) -> None:
    worker = lab.start()
    first = lab.do(worker, lab.job("raises", "a"))
    second = lab.do(worker, lab.job("good", "b"))
    assert first.failure is not None
    assert second.failure is None
    assert worker.alive
    assert "noise" not in Path(tmp_path, "logs", "a.log").read_text()


def test_a_worker_for_one_job_ends_after_it(lab: Any) -> None:
    worker = lab.start(persistent=False)
    assert lab.do(worker, lab.job("good")).failure is None
    lab.wait(worker, until=lambda: not worker.alive)
    assert not worker.alive


def test_the_peak_is_that_of_the_job(lab: Any) -> None:
    worker = lab.start()
    large = lab.do(worker, lab.job("peak", "a", size=200 * 2**20)).peak_rss_bytes
    small = lab.do(worker, lab.job("peak", "b", size=1)).peak_rss_bytes
    assert large - small > 150 * 2**20


DEATHS = [
    ("raises", ("failed", "value_error", "quantize"), "first line\nsecond line"),
    ("exits_zero", ("failed", "no_result", "run"), "without a result"),
    ("exits_three", ("failed", "exit_3", "source"), "exit code 3"),
    ("segfaults", ("crashed", "signal_11", "load"), "SIGSEGV"),
    ("aborts_for_memory", ("out_of_memory", "out_of_memory", "source"), "memory ran out"),
    ("kills_itself", ("crashed", "killed", "source"), "SIGKILL"),
    ("asks_for_too_much", ("out_of_memory", "out_of_memory", "source"), "MemoryError"),
    ("no_such_stage", ("failed", "module_not_found_error", "source"), "no_such_stage"),
    ("../contract", ("failed", "unknown_kind", "source"), "no kind of job"),
]


@pytest.mark.parametrize(("kind", "expected", "words"), DEATHS, ids=[row[0] for row in DEATHS])
def test_each_death_has_its_name(lab: Any, kind: str, expected: tuple[str, str, str], words: str) -> None:
    failure = lab.do(lab.start(), lab.job(kind)).failure
    assert failure is not None
    assert (failure.status, failure.reason, failure.stage) == expected
    assert words in failure.message


def test_the_log_tail_is_kept(lab: Any) -> None:
    died = lab.do(lab.start(), lab.job("exits_three", "a")).failure
    threw = lab.do(lab.start(), lab.job("raises", "b")).failure
    assert died is not None
    assert died.log_tail == "last words"
    assert threw is not None
    assert "Traceback" in threw.log_tail


def test_a_killed_process_is_out_of_memory_when_the_kernel_says_so(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter(range(100))
    monkeypatch.setattr(isolate, "oom_kills", lambda: next(counts))
    failure = lab.do(lab.start(), lab.job("kills_itself")).failure
    assert failure is not None
    assert (failure.status, failure.reason) == ("out_of_memory", "kernel_oom")


def test_a_file_over_the_limit_is_refused(lab: Any) -> None:
    failure = lab.do(lab.start(file_bytes=2**20), lab.job("writes_too_much")).failure
    assert failure is not None
    assert (failure.status, failure.reason) == ("failed", "file_too_large")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "other"}', '{"id": "j1", "seconds": "x"}'])
def test_a_result_that_is_none_is_refused(lab: Any, text: str) -> None:
    failure = lab.do(lab.start(), lab.job("bad_result", text=text)).failure
    assert failure is not None
    assert (failure.status, failure.reason) == ("failed", "bad_result")


def test_an_oversized_result_is_refused_unread(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BYTES", 10)
    failure = lab.do(lab.start(), lab.job("bad_result", text='{"id": "j1"}')).failure
    assert failure is not None
    assert failure.reason == "bad_result"


def test_a_result_that_was_written_counts_even_when_the_process_died(lab: Any) -> None:
    assert lab.do(lab.start(), lab.job("bad_result", text='{"id": "j1"}')).failure is None


def test_an_old_result_is_not_taken_for_a_new_one(lab: Any) -> None:
    work = lab.job("exits_zero")
    Path(work.result).write_bytes(codec.encode(JobResult("j1")))
    failure = lab.do(lab.start(), work).failure
    assert failure is not None
    assert failure.reason == "no_result"


def test_a_dead_worker_answers_for_the_job_it_never_got(lab: Any) -> None:
    worker = lab.start()
    os.kill(worker.pid, signal.SIGKILL)
    lab.wait(worker, until=lambda: not worker.alive)
    failure = lab.do(worker, lab.job("good")).failure
    assert failure is not None
    assert failure.reason == "killed"


def test_a_full_disk_under_the_parent_is_a_result(lab: Any) -> None:
    worker = lab.start()
    work = replace(lab.job("good"), result="/dev/null/result.json")
    failure = lab.do(worker, work).failure
    assert failure is not None
    assert failure.reason == "not_a_directory_error"
    assert worker.alive


def test_a_result_that_cannot_be_written_comes_through_the_pipe(lab: Any, tmp_path: Path) -> None:
    work = replace(lab.job("good"), result=str(tmp_path / "missing" / "result.json"))
    failure = lab.do(lab.start(), work).failure
    assert failure is not None
    assert failure.reason == "file_not_found_error"


def test_two_jobs_at_once_are_refused(lab: Any) -> None:
    worker = lab.start()
    worker.submit(lab.job("hangs"))
    with pytest.raises(RuntimeError, match="still on j1"):
        worker.submit(lab.job("good", "j2"))
