"""The far end of ``isolate``: confines itself, takes job after job, answers each with one result file.

Started as ``python -m harness.runner.worker``. It says where it is on the control pipe, a JSON object a line:
``{"stage": name}`` before a stage is entered, ``{"progress": 0…1, "note": text}``, ``{"done": job id}`` at
the end (with ``"result"`` in it only when the result file could not be written). Whatever libraries
print goes to the job's log.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import codec, files
from harness.errors import StageFailed
from harness.records import STAGES, Job, JobResult, Stage
from harness.runner.failures import first_stage, from_exception

ADDRESS_HEADROOM = 8 * 2**30
"""Bytes of address space on top of the memory limit: TensorFlow maps far more than it uses."""
CALLS_DEEP = 10_000
"""Python's recursion limit: Keras walks a graph call by call, and EfficientNetV2L's has more than 1,000 in a row."""
STAGE_PATH = "HARNESS_STAGE_PATH"
"""Environment variable: a folder of ``<kind>.py`` that wins over ``harness.stages``; for tests."""
_PR_SET_PDEATHSIG = 1
_PROGRESS_EVERY_S = 0.2


class PipeReporter:
    """The ``Reporter`` of a job: writes stage and progress on the control pipe."""

    def __init__(self, descriptor: int, stage: Stage) -> None:
        self.current = stage
        self._descriptor = descriptor
        self._said = float("-inf")

    def stage(self, name: Stage) -> None:
        """Say which stage is entered. Raises ``ValueError`` for a name that is none."""
        if name not in STAGES:
            raise ValueError(f"'{name}' is no stage; stages: {', '.join(STAGES)}")
        self.current = name
        self._said = float("-inf")
        self.send({"stage": name})

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the job is, at most five times a second."""
        now = time.monotonic()
        if fraction >= 1 or now - self._said >= _PROGRESS_EVERY_S:
            self._said = now
            self.send({"progress": round(float(fraction), 4), "note": note[:200]})

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; short enough to arrive in one piece."""
        files.write_all(self._descriptor, json.dumps(message).encode() + b"\n")


def main(arguments: list[str] | None = None) -> int:
    """Take job files named on stdin, line by line, until it ends."""
    options = _parse(arguments)
    _confine(options)
    guard = _start_guard(options.life) if options.life is not None else None
    home_log = os.dup(1)
    if options.warm:
        _warm(options.warm)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with os.fdopen(_take_stdin(), encoding="utf-8") as commands:
        for line in commands:
            _do(Path(line.rstrip("\n")), options.control, home_log)
            gc.collect()
            if options.once:
                break
    if guard is not None:
        os.kill(guard, signal.SIGKILL)
        os.waitpid(guard, 0)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.runner.worker")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the control pipe")
    parser.add_argument("--life", type=int, help="descriptor of a pipe that ends when the parent does")
    parser.add_argument("--parent", type=int, help="process id of the parent")
    parser.add_argument("--memory", type=int, help="bytes")
    parser.add_argument("--file", type=int, help="largest file, bytes")
    parser.add_argument("--cpus", help="comma separated")
    parser.add_argument("--warm", help="kind of job to import for at once")
    parser.add_argument("--once", action="store_true", help="end after the first job")
    return parser.parse_args(arguments)


def _warm(kind: str) -> None:
    """Import what jobs of this kind will need; what cannot be imported is theirs to tell."""
    with contextlib.suppress(Exception):
        getattr(_stage_module(kind), "warm", lambda: None)()


def _confine(options: argparse.Namespace) -> None:
    """Take on limits, affinity and the promise to die with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.set_inheritable(options.control, False)
    if options.parent is not None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != options.parent:
            os._exit(1)  # it died before we asked to be told
    if options.memory is not None:
        _limit(resource.RLIMIT_AS, options.memory + ADDRESS_HEADROOM, firm=False)
    sys.setrecursionlimit(CALLS_DEEP)
    if options.file is not None:
        _limit(resource.RLIMIT_FSIZE, options.file)
    _limit(resource.RLIMIT_CORE, 0)
    if options.cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in options.cpus.split(",")})
    with contextlib.suppress(OSError):  # when memory runs out the kernel shall take us, not the parent
        Path("/proc/self/oom_score_adj").write_text("500")


def _limit(what: int, value: int, *, firm: bool = True) -> None:
    """Lower a limit; one that is not ``firm`` can be raised again for a process that is started here (Node)."""
    _, hard = resource.getrlimit(what)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (allowed, allowed if firm else hard))


def _start_guard(life: int) -> int:
    """Fork a sleeper that kills the whole process group when the parent is gone; return its process id.

    PR_SET_PDEATHSIG reaches only this process, not what a stage has started.
    """
    pid = os.fork()
    if pid:
        os.close(life)
        return pid
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.closerange(0, life)
        os.closerange(life + 1, 1024)
        os.read(life, 1)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


def _take_stdin() -> int:
    """Keep the command pipe for ourselves: a stage that reads stdin finds it empty."""
    descriptor = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return descriptor


def _do(path: Path, control: int, home_log: int) -> None:
    job = codec.decode(path.read_bytes(), Job)
    reporter = PipeReporter(control, first_stage(job.kind))
    _reset_peak()
    children = _children_rss_bytes()
    began = time.monotonic()
    try:
        _redirect(job.log)
        result = _run(job, reporter)
    except Exception as error:
        result = _failed(job, reporter.current, error)
    seconds = time.monotonic() - began
    _answer(job, replace(result, seconds=seconds, peak_rss_bytes=_peak_rss_bytes(children)), reporter)
    _flush()
    os.dup2(home_log, 1)
    os.dup2(home_log, 2)


def _run(job: Job, reporter: PipeReporter) -> JobResult:
    outcome = _stage_module(job.kind).run(job, reporter)
    result = JobResult(job.id, None, outcome.values, outcome.missing, outcome.details)
    codec.encode(result)  # what is not plain JSON must fail as this job's fault
    return result


def _stage_module(kind: str) -> ModuleType:
    if not re.fullmatch(r"[a-z_]+", kind):
        raise StageFailed(f"'{kind}' is no kind of job", "unknown_kind")
    folder = os.environ.get(STAGE_PATH)
    own = Path(folder, f"{kind}.py") if folder else None
    if own is None or not own.is_file():
        return importlib.import_module(f"harness.stages.{kind}")
    spec = importlib.util.spec_from_file_location(f"harness_test_stages.{kind}", own)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _failed(job: Job, stage: Stage, error: Exception) -> JobResult:
    """Write the traceback to the log, let go of all that its frames hold, return the failure."""
    with contextlib.suppress(OSError, ValueError):
        traceback.print_exception(error)
    traceback.clear_frames(error.__traceback__)
    _flush()
    return JobResult(job.id, replace(from_exception(error, stage), log_tail=files.tail(Path(job.log))))


def _answer(job: Job, result: JobResult, reporter: PipeReporter) -> None:
    message: dict[str, Any] = {"done": job.id}
    try:
        files.write_atomic(Path(job.result), codec.encode(result))
    except OSError as error:
        failure = result.failure or from_exception(error, reporter.current)
        lost = JobResult(job.id, failure, seconds=result.seconds, peak_rss_bytes=result.peak_rss_bytes)
        message["result"] = json.loads(codec.encode(lost))
    reporter.send(message)


def _redirect(log: str) -> None:
    _flush()
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _flush() -> None:
    """Bring what Python and C still hold to the log it belongs to."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_rss_bytes(children: int) -> int:
    """Largest resident memory since the job began, bytes; since the start of the process on odd kernels.

    With that of the largest process that the job has started and seen end, where none before it (``children``) was
    larger.
    """
    grown = _children_rss_bytes()
    theirs = grown if grown > children else 0
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024 + theirs
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + theirs


def _children_rss_bytes() -> int:
    """Largest resident memory of any process that was started here and has ended, bytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
