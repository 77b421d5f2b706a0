"""One job outside a run, in a worker of its own: what commands that look into a finished run let do."""

from __future__ import annotations

import contextlib
import selectors
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import environment
from harness.errors import StageFailed
from harness.records import Job, JobResult, Limits
from harness.runner.isolate import Worker
from harness.runner.pool import guard

TIMEOUT_S = 3600.0
FILE_BYTES = 2**34


@contextlib.contextmanager
def done(kind: str, options: dict[str, Any], inputs: Mapping[str, Path]) -> Iterator[tuple[JobResult, Path]]:
    """Do a job and give its result and its folder, which goes when the context ends. Progress is said on stderr.

    Raises:
        StageFailed: the job failed; the message is that of the failure.
    """
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        root = Path(folder)
        (root / "out").mkdir()
        memory = int(environment.memory_available() * 0.9)
        limits = Limits(TIMEOUT_S, memory, FILE_BYTES)
        job = Job(
            id=kind,
            kind=kind,
            options=options,
            inputs={name: str(path.absolute()) for name, path in inputs.items()},
            out=str(root / "out"),
            result=str(root / "result.json"),
            log=str(root / "job.log"),
            limits=limits,
        )
        worker = Worker(sys.executable, root / "worker", memory_bytes=memory, file_bytes=FILE_BYTES, persistent=False)
        result = _run(job, worker)
        if result.failure is not None:
            failure = result.failure
            raise StageFailed(f"{failure.stage}: {failure.error}: {failure.message}", failure.reason)
        yield result, root / "out"


def _run(job: Job, worker: Worker) -> JobResult:
    said = _Said()
    try:
        worker.submit(job)
        while (result := worker.poll() or guard(worker)) is None:
            with selectors.DefaultSelector() as selector:
                selector.register(worker, selectors.EVENT_READ)
                selector.select(timeout=1)
            said.tell(worker.progress)
        return result
    finally:
        worker.close()
        said.end()


class _Said:
    """One line on a terminal, with the time that is left."""

    def __init__(self) -> None:
        self._began, self._live = time.monotonic(), sys.stderr.isatty()

    def tell(self, progress: tuple[float, str] | None) -> None:
        """Say how far it is, once it takes longer than two seconds."""
        spent = time.monotonic() - self._began
        if not self._live or progress is None or spent < 2 or progress[0] <= 0:
            return
        left = spent * (1 - progress[0]) / progress[0]
        print(f"\r{progress[0]:4.0%}  {progress[1]}  {left:.0f} s left ", end="\x1b[K", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
