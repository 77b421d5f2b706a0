"""Stage ``latency``: one round of timing in this process, which is fresh and has imported only the runtime.

Several rounds of a cell are several jobs; ``harness.metrics.latency.summarize`` brings them together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from harness.metrics.latency import Effort, timed_loop, warm_up
from harness.records import Job
from harness.runtimes.contract import Elsewhere, Session
from harness.stages import conditions, opening
from harness.stages.contract import Outcome, Reporter


def run(job: Job, report: Reporter) -> Outcome:
    """Measure one round.

    Options: ``runtime``, ``threads``, ``measure`` (``conf/measure``), ``round``, ``artifact_sha256``.
    Inputs: ``artifact``, ``source``, ``dataset`` (its first image is the input).

    ``details`` hold the raw ``wall_ns``, ``cpu_ns`` and ``warmup_ns``, and the conditions. ``cpu_ns`` of one
    thread is the CPU time of the process (TensorFlow computes in another thread than the caller's). With more
    threads CPU time says nothing: some wait, some spin. There it is wall time less the time that any of them
    stood in the queue for a processor, and absent where the kernel does not count that. All times of a session
    that works in another process are taken in that one.

    Raises:
        StageFailed: ``damaged_artifact``.
        Unsupported: the runtime cannot run it so.
    """
    report.stage("latency")
    threads = int(job.options["threads"])
    cpus = conditions.pin(threads)
    subject = opening.subject(job)
    image = opening.images(job).take(np.arange(1))
    session, load_ms = timed(subject.open)
    elsewhere: Elsewhere | None = getattr(session, "elsewhere", None)
    load_ms = load_ms if elsewhere is None else elsewhere.load_ms
    session.prepare(np.repeat(image, subject.batch, axis=0))
    found = measure(session, _effort(job.options["measure"]), threads, cpus)
    details = {
        "round": int(job.options.get("round", 0)),
        "batch": subject.batch,
        "load_ms": load_ms,
        **found,
    }
    values = {"batch": subject.batch, "load_ms": load_ms, "first_ms": found["first_ms"]}
    return Outcome(values=values, details=details)


def _effort(options: dict[str, Any]) -> Effort:
    return Effort(**{field.name: options[field.name] for field in fields(Effort)})


def timed(call: Callable[[], Session]) -> tuple[Session, float]:
    """Return the result of ``call`` and the ms that it took."""
    start = time.perf_counter_ns()
    result = call()
    return result, (time.perf_counter_ns() - start) / 1e6


def measure(session: Session, effort: Effort, threads: int, cpus: list[int]) -> dict[str, Any]:
    """First run, warm-up, timed loop; return raw times in ns and the conditions of the loop."""
    elsewhere: Elsewhere | None = getattr(session, "elsewhere", None)
    wall = time.perf_counter_ns if elsewhere is None else elsewhere.wall
    start = wall()
    session.invoke()
    first_ms = (wall() - start) / 1e6
    warmup_ns = warm_up(session.invoke, effort, wall)
    pid = None if elsewhere is None else elsewhere.pid
    before = conditions.read(pid)
    wall_ns, cpu_ns = _loop(session.invoke, effort, threads, elsewhere)
    after = conditions.read(pid)
    return {
        "first_ms": first_ms,
        "warmup_ns": warmup_ns,
        "wall_ns": wall_ns,
        "cpu_ns": cpu_ns,
        "threads": threads,
        **conditions.between(before, after, cpus),
    }


def _loop(
    invoke: Callable[[], None], effort: Effort, threads: int, elsewhere: Elsewhere | None
) -> tuple[list[int], list[int] | None]:
    """Return (``wall_ns``, ``cpu_ns``); see ``run``."""
    if elsewhere is not None:
        return timed_loop(invoke, effort, elsewhere.wall, elsewhere.cpu)
    if threads == 1:
        return timed_loop(invoke, effort)
    with conditions.WaitClock() as waited:
        wall_ns, waited_ns = timed_loop(invoke, effort, cpu=waited)
        if not waited.works:
            return wall_ns, None
    return wall_ns, [max(0, wall - wait) for wall, wait in zip(wall_ns, waited_ns, strict=True)]
