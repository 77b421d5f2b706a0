"""Real worker processes and the stages that make them die in every way that we know."""

from __future__ import annotations

import select
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.records import Job, JobResult, Limits
from harness.runner.isolate import Worker

GIB = 2**30
STAGES = {
    "good": """
        import os
        def run(job, report):
            report.stage("export")
            report.progress(0.5, "half")
            print("noise"); os.write(1, b"raw noise\\n")
            Path(job.out, "file").write_text(job.options.get("text", "x"))
            return Outcome({"answer": 42}, {"top1": "no labels"}, {"list": [1, 2]})
    """,
    "raises": """
        def run(job, report):
            report.stage("quantize")
            raise ValueError("first line\\n\\nsecond line")
    """,
    "exits_zero": """
        def run(job, report):
            report.stage("run")
            sys.exit(0)
    """,
    "exits_three": """
        def run(job, report):
            print("last words", flush=True)
            os._exit(3)
    """,
    "segfaults": """
        import ctypes
        def run(job, report):
            report.stage("load")
            ctypes.string_at(0)
    """,
    "aborts_for_memory": """
        def run(job, report):
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n")
            os.abort()
    """,
    "kills_itself": """
        def run(job, report):
            os.kill(os.getpid(), 9)
    """,
    "hangs": """
        def run(job, report):
            report.stage("latency")
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen(["sleep", "1000"])
            Path(job.out, "child").write_text(str(child.pid))
            report.progress(0.1, "ready")
            time.sleep(1000)
    """,
    "leaves_a_child": """
        def run(job, report):
            child = subprocess.Popen(["sleep", "1000"], preexec_fn=os.setpgrp)
            Path(job.out, "child").write_text(str(child.pid))
            os._exit(0)
    """,
    "eats": """
        def run(job, report):
            report.stage("export")
            hoard = bytearray(300 * 2**20)
            for i in range(0, len(hoard), 4096): hoard[i] = 1
            report.progress(0.5, "ready")
            time.sleep(1000)
    """,
    "asks_for_too_much": """
        def run(job, report):
            bytearray(40 * 2**30)
    """,
    "writes_too_much": """
        def run(job, report):
            with open(Path(job.out, "big"), "wb") as file:
                file.write(bytes(3 * 2**20))
    """,
    "bad_result": """
        def run(job, report):
            Path(job.result).write_text(job.options["text"])
            os._exit(0)
    """,
    "peak": """
        def run(job, report):
            hoard = bytearray(job.options["size"])
            for i in range(0, len(hoard), 4096): hoard[i] = 1
            return Outcome()
    """,
    "tells": """
        import resource
        def run(job, report):
            import tempfile
            return Outcome({
                "cpus": len(os.sched_getaffinity(0)), "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
                "temp": tempfile.gettempdir(), "secret": os.environ.get("A_SECRET"),
                "keras": os.environ["TF_USE_LEGACY_KERAS"], "given": os.environ.get("GIVEN"),
                "stdin": sys.stdin.read(), "pid": os.getpid(), "sid": os.getsid(0),
            })
    """,
}
HEAD = """
import os, signal, subprocess, sys, time
from pathlib import Path
from harness.stages.contract import Outcome
"""


class Lab:
    """Starts workers under one folder and gives them jobs."""

    def __init__(self, folder: Path, stages: Path) -> None:
        self.folder, self.stages = folder, stages
        self.workers: list[Worker] = []

    def start(self, **options: Any) -> Worker:
        """Start a worker that knows the test stages."""
        settings: dict[str, Any] = {
            "memory_bytes": GIB,
            "file_bytes": GIB,
            "env": {"HARNESS_STAGE_PATH": str(self.stages)},
        }
        self.workers.append(Worker(sys.executable, self.folder / f"w{len(self.workers)}", **{**settings, **options}))
        return self.workers[-1]

    def job(self, kind: str, name: str = "j1", timeout_s: float = 60, **options: object) -> Job:
        """Return a job with folders of its own."""
        out = self.folder / f"out-{name}"
        out.mkdir(exist_ok=True)
        limits = Limits(timeout_s, GIB, GIB)
        result, log = str(self.folder / f"{name}.json"), str(self.folder / "logs" / f"{name}.log")
        return Job(name, kind, dict(options), {}, str(out), result, log, limits)

    def wait(self, worker: Worker, until: Callable[[], bool] = lambda: False) -> JobResult | None:
        """Block on news until the job is over, or until the condition holds (then None)."""
        poller = select.poll()
        poller.register(worker.fileno(), select.POLLIN)
        while True:
            assert poller.poll(60_000), "no news from the worker"
            result = worker.poll()
            if result is not None or until():
                return result

    def do(self, worker: Worker, work: Job) -> JobResult:
        """Give a job and wait for its result."""
        worker.submit(work)
        result = self.wait(worker)
        assert result is not None
        return result

    def gone(self, pid: int) -> bool:
        """True when there is no such process, or only its zombie; waits for the kernel to get that far."""
        for _ in range(600):
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    return True
            except (FileNotFoundError, ProcessLookupError):
                return True
            time.sleep(0.05)
        return False


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of test stages."""
    folder = tmp_path_factory.mktemp("stages")
    for name, body in STAGES.items():
        (folder / f"{name}.py").write_text(HEAD + textwrap.dedent(body))
    return folder


@pytest.fixture
def lab(tmp_path: Path, stages: Path) -> Iterator[Lab]:
    """A ``Lab`` whose workers end with the test."""
    made = Lab(tmp_path, stages)
    yield made
    for worker in made.workers:
        worker.close()
