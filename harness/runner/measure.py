"""Latency, alone on the machine: rounds in which every cell of a model is measured once, in random order.

A round is the unit of pairing (XNNPACK against none, int8 against float) and the unit of the cache: it is kept
whole or not at all, so that paired numbers always come from the same minutes.
"""

from __future__ import annotations

import contextlib
import random
import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import codec, locks
from harness.cache import Entry
from harness.errors import StageFailed
from harness.plan import BASELINE, PlannedCell
from harness.records import Job, JobResult
from harness.runner.pool import Pool, guard, log_name


@dataclass(frozen=True)
class Member:
    """A cell that can be measured, with the folders it needs."""

    planned: PlannedCell
    inputs: Mapping[str, Entry]

    @property
    def options(self) -> dict[str, Any]:
        """Options of its latency job."""
        cell, options = self.planned.cell, self.planned.options
        return {
            "runtime": options["runtime"],
            "threads": cell.threads,
            "measure": options["measure"],
            "artifact_sha256": self.inputs["artifact"].result.values.get("artifact_sha256"),
        }


Rounds = dict[str, list[JobResult]]
"""Cell id → its results, one a round."""


def measure(members: Sequence[Member], pool: Pool, seed: int) -> Rounds:
    """Measure all members round by round; noisy ones once more, with what they are compared with."""
    if not members:
        return {}
    effort = members[0].planned.options["measure"]
    rounds: Rounds = {member.planned.cell.id: [] for member in members}
    for index in range(effort["rounds"]):
        _add(rounds, _round(members, index, pool, seed))
    for extra in range(effort["remeasure"]):
        noisy = [m for m in members if _noisy(rounds[m.planned.cell.id])]
        if not noisy:
            break
        again = [m for m in members if m in noisy or _is_partner(m, noisy)]
        pool.progress.more("latency", len(again))
        _add(rounds, _round(again, effort["rounds"] + extra, pool, seed))
    return rounds


def _add(rounds: Rounds, results: Mapping[str, JobResult]) -> None:
    for cell, result in results.items():
        rounds[cell].append(result)


def _noisy(results: Sequence[JobResult]) -> bool:
    from harness.metrics import latency

    good = [r.details for r in results if r.failure is None]
    return bool(good) and bool(latency.summarize(good)[0].get("noisy"))


def _is_partner(member: Member, others: Sequence[Member]) -> bool:
    """True when one of the others is compared with it: float model, or same file on another runtime."""
    own = member.planned.cell
    cells = [other.planned.cell for other in others]
    return any((own.quant == BASELINE and own.runtime == c.runtime)
               or (own.quant == c.quant and own.export == c.export) for c in cells)  # fmt: skip


def _round(members: Sequence[Member], index: int, pool: Pool, seed: int) -> dict[str, JobResult]:
    described = {m.planned.cell.id: [m.options, m.inputs["artifact"].digest] for m in members}
    methods = [m.planned.options["runtime"]["method"] for m in members]
    toolchains = [m.planned.cell.toolchain for m in members]
    key = pool.keys.round(index, described, members[0].planned.options["measure"], methods, toolchains)
    found = pool.cache.find("latency", key)
    if found is not None:
        pool.progress.measured(len(members), cached=True)
        return codec.decode((found.path / "round.json").read_bytes(), dict[str, JobResult])
    results: dict[str, JobResult] = {}
    pool.rest()
    order = random.Random(f"{seed}/{index}/{key}").sample(list(members), len(members))
    with locks.measuring(lambda pid: pool.progress.waiting(f"{locks.named(pid)} measures or converts on this machine")):
        for member in order:
            results[member.planned.cell.id] = _one(member, index, pool)
            pool.progress.measured(1)
    if any(result.failure is not None or _noisy([result]) for result in results.values()):
        return results  # not worth keeping: the next run tries again
    with contextlib.suppress(StageFailed, OSError):  # a full disk costs the cache, not the measurement
        folder = pool.cache.begin("latency", key)
        (folder / "round.json").write_bytes(codec.encode(results))
        pool.cache.commit("latency", key, folder, JobResult(id=f"round {index}"))
    return results


def _one(member: Member, index: int, pool: Pool) -> JobResult:
    """Measure one cell once in a fresh process; the parent blocks."""
    cell = member.planned.cell.id
    out = pool.workdir / f"latency-{index}-{log_name(cell)}"
    out.mkdir(parents=True, exist_ok=True)
    options = member.options | {"round": index, "plugins_dir": pool.keys.plugins_dir}
    job = pool.job(f"latency/{cell}", "latency", options, member.inputs, out, log_name(f"latency/{cell}"))
    toolchain = member.planned.cell.toolchain
    result = _run(job, pool, toolchain)
    if result.failure is not None and result.failure.reason == "killed":
        result = _run(job, pool, toolchain)
    return result


def _run(job: Job, pool: Pool, toolchain: str) -> JobResult:
    """Run one job in a worker of its own; block until it is over."""
    worker = pool.new_worker(persistent=False, toolchain=toolchain)
    try:
        worker.submit(job)
        while (result := worker.poll() or guard(worker)) is None:
            with selectors.DefaultSelector() as selector:
                selector.register(worker, selectors.EVENT_READ)
                selector.select(timeout=10)
        return result
    finally:
        worker.close()
