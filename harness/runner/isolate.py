"""A process for a job: starts it confined, listens to it, turns whatever happens to it into a ``JobResult``.

Create workers on the main thread: the kernel takes the end of the *thread* that started a process for the end
of its parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from harness import codec, files
from harness.errors import UserError
from harness.records import Failure, Job, JobResult, Stage, Status
from harness.runner.failures import first_stage, from_exception, from_exit, oom_kills
from harness.runner.group import Group
from harness.runner.launch import environment

GRACE_S = 2.0
"""Between asking a process to end and ending it."""


class Worker:
    """One isolated process: own session, whitelisted environment, temporary folder; a job at a time.

    ``fileno()`` becomes readable when there is news: a message, or the death of the process. It stays
    readable once the process is dead, so ``close()`` a worker whose ``alive`` is false.
    Times are ``time.monotonic()``. ``warm`` names a kind of job: the process imports for it while it waits for one.

    Raises:
        UserError: ``python`` cannot be started.
    """

    def __init__(
        self,
        python: str,
        workdir: Path,
        *,
        memory_bytes: int,
        file_bytes: int,
        cpus: frozenset[int] | None = None,
        env: Mapping[str, str] | None = None,
        persistent: bool = True,
        warm: str | None = None,
    ) -> None:
        self.python = python
        self.workdir = workdir.absolute()
        self.memory_bytes = memory_bytes
        self.persistent = persistent
        self.job: Job | None = None
        self.started_at = 0.0
        self.stage: Stage | None = None
        self.progress: tuple[float, str] | None = None
        self._stage_began = 0.0
        self._jobs = 0
        self._peak = 0
        self._buffer = b""
        self._answer: dict[str, Any] | None = None
        self._oom_kills = oom_kills()
        self._closed = False
        self.workdir.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.workdir / "tmp").mkdir(exist_ok=True, mode=0o700)
        arguments = [f"--parent={os.getpid()}", f"--memory={memory_bytes}", f"--file={file_bytes}"]
        arguments += ["--cpus=" + ",".join(map(str, sorted(cpus)))] if cpus else []
        arguments += [] if persistent else ["--once"]
        arguments += [f"--warm={warm}"] if warm else []
        self._start(python, arguments, env or {})

    def _start(self, python: str, arguments: list[str], env: Mapping[str, str]) -> None:
        self._control, self._control_end = os.pipe2(os.O_CLOEXEC)
        life, self._life = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._control, False)
        pipes = [f"--control={self._control_end}", f"--life={life}"]
        try:
            with (self.workdir / "worker.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [python, "-m", "harness.runner.worker", *pipes, *arguments],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=self.workdir / "tmp",
                    env=environment(python, self.workdir, env),
                    start_new_session=True,
                    pass_fds=(self._control_end, life),
                )
        except OSError as error:
            self._close_descriptors(self._control, self._control_end, self._life)
            raise UserError(f"a worker cannot be started with {python}: {error}") from error
        finally:
            os.close(life)
        self._group = Group(self._process)
        self._news = select.epoll()
        self._news.register(self._control, select.EPOLLIN)
        self._news.register(self._group.pidfd, select.EPOLLIN)

    @property
    def pid(self) -> int:
        """Process id; also the id of its session and process group."""
        return self._group.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended, for whatever reason."""
        return self._group.exit_code() is None

    def fileno(self) -> int:
        """Descriptor to wait on, for ``select`` and its relatives."""
        return self._news.fileno()

    def submit(self, job: Job) -> None:
        """Hand over a job; ``poll`` returns its result, also when the process is dead or the disk full.

        Raises:
            RuntimeError: the last job is not over.
        """
        if self.job is not None:
            raise RuntimeError(f"worker {self.pid} is still on {self.job.id}")
        self.job, self.stage, self.progress, self._answer = job, None, None, None
        self.started_at = self._stage_began = time.monotonic()
        self._peak, self._oom_kills = 0, oom_kills()
        self._jobs += 1
        path = self.workdir / f"job-{self._jobs:04}.json"
        try:
            Path(job.result).unlink(missing_ok=True)
            files.write_atomic(path, codec.encode(job))
        except OSError as error:
            failed = JobResult(job.id, from_exception(error, first_stage(job.kind)))
            line = json.dumps({"done": job.id, "result": json.loads(codec.encode(failed))})
            files.write_all(self._control_end, line.encode() + b"\n")
            return
        with contextlib.suppress(BrokenPipeError):
            files.write_all(_stdin(self._process).fileno(), f"{path}\n".encode())

    def poll(self) -> JobResult | None:
        """Take in what the worker said; return the result when the job is over. Never waits."""
        code = self._group.exit_code()
        self._listen()
        if self.job is None or (self._answer is None and code is None):
            return None
        if code is not None:
            self._group.end()
        result = self._result(self.job, code)
        self.job, self._answer = None, None
        return result

    def expired(self, now: float) -> bool:
        """True when the current stage has taken longer than the job's timeout, which each stage has anew."""
        return self.job is not None and now - self._stage_began > self.timeout_s()

    def timeout_s(self) -> float:
        """Seconds that the current stage may take."""
        if self.job is None:
            return float("inf")
        limits = self.job.limits
        return limits.stage_timeout_s.get(self.stage or first_stage(self.job.kind), limits.timeout_s)

    def rss_bytes(self) -> int:
        """Resident memory of the process and all it started, bytes; 0 when it is dead."""
        total = self._group.rss_bytes()
        self._peak = max(self._peak, total)
        return total

    def over_memory(self) -> bool:
        """True when the process group uses more memory than the job, or the worker, may."""
        limit = self.memory_bytes
        if self.job is not None:
            limit = min(limit, self.job.limits.memory_bytes)
        return self.rss_bytes() > limit

    def kill(self, status: Status, reason: str, message: str) -> JobResult:
        """End the whole group (SIGTERM, 2 s, SIGKILL) and return the failure of the current job."""
        self._listen()
        self._group.terminate()
        self._group.wait(GRACE_S)
        self._group.end()
        job, self.job = self.job, None
        stage = self.stage or first_stage(job.kind if job else "")
        error = {"timeout": "Timeout", "out_of_memory": "MemoryLimit"}.get(status, "Killed")
        return self._failed(job, Failure(status, stage, reason, error, message, self._log_tail(job)))

    def close(self) -> None:
        """End the process; safe to call twice.

        Politely only when it waits for another job. One that has answered its only job has nothing left to do but
        to take its libraries down, which for TensorFlow lasts a second.
        """
        if self._closed:
            return
        self._closed = True
        _stdin(self._process).close()
        if self.job is None and self.persistent:
            self._group.wait(GRACE_S)
        self._group.end()
        self.job = None
        self._news.close()
        self._close_descriptors(self._control, self._control_end, self._life)
        self._group.close()
        files.remove_tree(self.workdir / "tmp")

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._control, 65536):
                self._buffer += chunk
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "stage" in message:
            self.stage, self.progress = message["stage"], None
            self._stage_began = time.monotonic()
        elif "progress" in message:
            self.progress = (float(message["progress"]), str(message["note"]))
        elif self.job is not None and message["done"] == self.job.id:
            self._answer = message

    def _result(self, job: Job, code: int | None) -> JobResult:
        """The answer of a worker that has answered or died (``code``)."""
        stage = self.stage or first_stage(job.kind)
        try:
            if self._answer is not None and "result" in self._answer:
                return codec.decode(json.dumps(self._answer["result"]).encode(), JobResult)
            return _read_result(job)
        except FileNotFoundError:
            killed = oom_kills() > self._oom_kills
            failure = from_exit(code or 0, stage, self._log_tail(job), oom_killed=killed)
        except (codec.CodecError, OSError) as error:
            text = f"the result cannot be used: {error}"
            failure = Failure("failed", stage, "bad_result", type(error).__name__, text, self._log_tail(job))
        return self._failed(job, failure)

    def _failed(self, job: Job | None, failure: Failure) -> JobResult:
        seconds = time.monotonic() - self.started_at if job else 0.0
        return JobResult(job.id if job else "", failure, seconds=seconds, peak_rss_bytes=self._peak)

    def _log_tail(self, job: Job | None) -> str:
        text = files.tail(Path(job.log)) if job else ""
        return text or files.tail(self.workdir / "worker.log")

    @staticmethod
    def _close_descriptors(*descriptors: int) -> None:
        for descriptor in descriptors:
            os.close(descriptor)


def _read_result(job: Job) -> JobResult:
    path = Path(job.result)
    size = path.stat().st_size
    if size > codec.MAX_BYTES:
        raise codec.CodecError(f"{size} bytes is more than {codec.MAX_BYTES}")
    result = codec.decode(path.read_bytes(), JobResult)
    if result.id != job.id:
        raise codec.CodecError(f"it is that of {result.id}")
    return result


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin
