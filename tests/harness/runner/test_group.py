"""A worker's whole session: confined, watched and ended together, whoever asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from harness import codec
from harness.errors import UserError
from harness.runner import isolate
from harness.runner.isolate import Worker

GIB = 2**30


def test_a_hanging_job_expires_and_its_whole_group_dies(lab: Any) -> None:
    worker = lab.start()
    work = lab.job("hangs", timeout_s=30)
    worker.submit(work)
    assert lab.wait(worker, until=lambda: worker.progress is not None) is None
    assert worker.progress == (0.1, "ready")
    child = int(Path(work.out, "child").read_text())
    assert not worker.expired(time.monotonic())
    assert worker.expired(time.monotonic() + 31)
    failure = worker.kill("timeout", "timeout", "latency took more than 30 s").failure
    assert failure is not None
    assert (failure.status, failure.stage, failure.error) == ("timeout", "latency", "Timeout")
    assert not worker.alive
    assert worker.job is None
    assert lab.gone(child)


def test_a_child_that_a_dead_job_left_dies_too(lab: Any) -> None:
    work = lab.job("leaves_a_child")
    failure = lab.do(lab.start(), work).failure
    assert failure is not None
    assert failure.reason == "no_result"
    assert lab.gone(int(Path(work.out, "child").read_text()))


def test_memory_over_the_limit_is_seen(lab: Any) -> None:
    worker = lab.start(memory_bytes=200 * 2**20)
    assert not worker.over_memory()
    worker.submit(lab.job("eats"))
    assert lab.wait(worker, until=lambda: worker.progress is not None) is None
    assert worker.over_memory()
    result = worker.kill("out_of_memory", "memory_limit", "more than 200 MiB")
    assert result.failure is not None
    assert (result.failure.status, result.failure.stage) == ("out_of_memory", "export")
    assert result.peak_rss_bytes > 300 * 2**20
    assert worker.rss_bytes() == 0


def test_the_worker_is_confined(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "not for workers")
    cpu = min(os.sched_getaffinity(0))
    worker = lab.start(cpus=frozenset({cpu}))
    values = lab.do(worker, lab.job("tells")).values
    assert (values["cpus"], values["core"], values["keras"]) == (1, 0, "1")
    assert (values["secret"], values["given"], values["stdin"]) == (None, None, "")
    assert values["temp"] == str(tmp_path / "w0" / "tmp")
    assert values["pid"] == values["sid"] == worker.pid


def test_closing_ends_an_idle_and_a_busy_worker(lab: Any) -> None:
    idle, busy = lab.start(), lab.start()
    assert lab.do(idle, lab.job("good")).failure is None
    work = lab.job("hangs", "h")
    busy.submit(work)
    lab.wait(busy, until=lambda: busy.progress is not None)
    child = int(Path(work.out, "child").read_text())
    for worker in (idle, busy):
        worker.close()
        worker.close()
        assert not worker.alive
        assert not (worker.workdir / "tmp").exists()
    assert lab.gone(child)


def test_a_python_that_is_not_there_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-python"):
        Worker("/no-such-python", tmp_path, memory_bytes=GIB, file_bytes=GIB)


def test_a_worker_and_all_it_started_die_with_their_parent(lab: Any, stages: Path, tmp_path: Path) -> None:
    work = lab.job("hangs")
    (tmp_path / "job.json").write_bytes(codec.encode(work))
    program = f"""
        import sys, time
        from pathlib import Path
        from harness import codec
        from harness.records import Job
        from harness.runner.isolate import Worker
        worker = Worker(sys.executable, Path({str(tmp_path / "w")!r}), memory_bytes={GIB}, file_bytes={GIB})
        worker.submit(codec.decode(Path({str(tmp_path / "job.json")!r}).read_bytes(), Job))
        while worker.progress is None:
            worker.poll(); time.sleep(0.05)
        print(worker.pid, flush=True)
        time.sleep(1000)
    """
    env = {
        **os.environ,
        "HARNESS_STAGE_PATH": str(stages),
        "PYTHONPATH": str(Path(isolate.__file__).parents[2]),
    }
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, env=env
    )
    with parent:
        assert parent.stdout is not None
        worker_pid = int(parent.stdout.readline())
        parent.kill()
    assert lab.gone(worker_pid)
    assert lab.gone(int(Path(work.out, "child").read_text()))
