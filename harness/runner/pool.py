"""Runs nodes in workers: as many side by side as slots and memory allow, each exactly once, whatever happens to it."""

from __future__ import annotations

import builtins
import selectors
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import locks
from harness.cache import ROOT_VARIABLE, Cache, Entry
from harness.errors import StageFailed, UserError
from harness.locks import Lock
from harness.plan import Node
from harness.records import Failure, Job, JobResult, Limits
from harness.runner.failures import snake_case
from harness.runner.isolate import Worker
from harness.runner.keys import Keys
from harness.runner.progress import Progress
from harness.runner.tools import Tools
from harness.toolchains import DEFAULT

PERSISTENT = ("dataset", "source", "quantize", "export")
"""Kinds that share a long-lived worker, because importing TensorFlow takes longer than most jobs."""
FINAL = ("failed", "unsupported")
"""Failures that would happen again: cached. A crash, a timeout or a memory kill is tried again in the next run."""
_OS_ERRORS = [one for one in vars(builtins).values() if isinstance(one, type) and issubclass(one, OSError)]
FLEETING = frozenset({
    "disk_full", "file_too_large", "user_error", "no_result", "bad_result", "node_missing", "packages_missing",
    "onednn_on", "damaged_artifact", *(snake_case(one.__name__) for one in _OS_ERRORS),
})  # fmt: skip
"""Reasons of failures that are not the cell's fault or that the person at the keyboard will mend: never cached."""
GIB = 2**30


@dataclass(frozen=True)
class Done:
    """The end of a node: its entry, or why there is none."""

    entry: Entry | None
    result: JobResult
    cached: bool = False
    log: str | None = None

    @property
    def failure(self) -> Failure | None:
        """What stopped it, or ``None``."""
        return self.result.failure


@dataclass(frozen=True)
class Settings:
    """What the pool may use."""

    tools: Mapping[str, Tools]
    """Toolchain → where it is; the default is always there."""
    run_folder: Path
    slots: int
    memory_bytes: int
    job_memory_bytes: int
    file_bytes: int
    timeout_s: Mapping[str, float]
    recycle_bytes: int = 3 * GIB
    """A long-lived worker that holds more memory than this after a job is replaced."""


@dataclass
class _Running:
    node: Node
    key: str
    folder: Path
    worker: Worker
    need_bytes: int
    lock: Lock
    log: str
    retried: bool = False


@dataclass
class Pool:
    """Workers and what they are on. Use as a context manager: leaving it ends every process."""

    settings: Settings
    cache: Cache
    keys: Keys
    progress: Progress
    workdir: Path
    _idle: list[Worker] = field(default_factory=list)
    _running: list[_Running] = field(default_factory=list)
    _started: int = 0
    _machine: Lock = field(default_factory=locks.machine_lock)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self._idle, *(r.worker for r in self._running)]:
            worker.close()
        for running in self._running:
            self.cache.abandon(running.folder)
            running.lock.release()
        self._idle, self._running = [], []
        self._machine.release()

    def rest(self) -> None:
        """End idle workers, so that nothing runs beside a measurement and their memory is free."""
        for worker in self._idle:
            worker.close()
        self._idle = []

    def run(self, nodes: Iterable[Node]) -> dict[str, Done]:
        """Run all nodes, those they need first; return how each ended."""
        pending = {node.id: node for node in nodes}
        done: dict[str, Done] = {}
        while pending or self._running:
            blocked = self._advance(pending, done)
            if self._running:
                self._wait(done)
            elif pending and blocked:
                self.progress.waiting("another harness builds what is needed next")
                time.sleep(0.5)
        return done

    def _advance(self, pending: dict[str, Node], done: dict[str, Done]) -> bool:
        """Settle or start every node that can be; true when one waits for another process."""
        blocked, moved = False, True
        while moved:
            moved = False
            for node in list(pending.values()):
                if any(need not in done for need in node.needs.values()):
                    continue
                state = self._settle(node, done)
                if state == "blocked":
                    blocked = True
                elif state != "full":
                    del pending[node.id]
                    moved = True
        return blocked

    def _settle(self, node: Node, done: dict[str, Done]) -> str:
        broken = next((done[need] for need in node.needs.values() if done[need].failure), None)
        if broken is not None:
            done[node.id] = replace(broken, cached=True)
            self.progress.finished(node, done[node.id], quiet=True)
            return "settled"
        absent = self.settings.tools[node.toolchain].absent
        if absent is not None:
            done[node.id] = Done(None, JobResult(node.id, absent))
            self.progress.finished(node, done[node.id], quiet=True)
            return "settled"
        entries = {name: done[need].entry for name, need in node.needs.items()}
        upstream = {name: entry.digest for name, entry in entries.items() if entry}
        key = self.keys.node(node, upstream)
        found = self.cache.find(node.kind, key)
        if found is not None:
            done[node.id] = Done(found, found.result, cached=True)
            self.progress.finished(node, done[node.id])
            return "settled"
        need = self._estimate(node, entries)
        if not self._room(need):
            return "full"
        lock = self.cache.lock(node.kind, key)
        if lock is None:
            return "blocked"
        self._start(node, key, entries, need, lock)
        return "started"

    def _estimate(self, node: Node, entries: Mapping[str, Entry | None]) -> int:
        """Guess the peak memory of a job from the size of the weights; only for what may run side by side."""
        source = entries.get("source")
        weights = int(source.result.values.get("weights_bytes") or 0) if source else 0
        factor = 6.0
        if node.kind in ("export", "quantize") and node.plugin:
            from harness import plugins

            module = plugins.load(*node.plugin, self.keys.plugins_dir)
            factor = getattr(module, "MEMORY_PER_WEIGHT_BYTE", factor)
        return min(self.settings.job_memory_bytes, int(1.2 * GIB + factor * weights))

    def _room(self, need: int) -> bool:
        if not self._running:
            return True
        used = sum(r.need_bytes for r in self._running)
        return len(self._running) < self.settings.slots and used + need <= self.settings.memory_bytes

    def _start(
        self,
        node: Node,
        key: str,
        entries: Mapping[str, Entry | None],
        need: int,
        lock: Lock,
        *,
        retried: bool = False,
    ) -> None:
        self._share_machine()
        folder = self._begin(node.kind, key)
        log = log_name(node.id)
        job = self.job(node.id, node.kind, node.options, entries, folder, log)
        job = replace(job, options=job.options | self._extra(node, key, entries))
        worker = self._worker(node, need)
        worker.submit(job)
        self._running.append(_Running(node, key, folder, worker, need, lock, log, retried))
        self.progress.started(node)
        if node.kind == "source" and len(self._running) + len(self._idle) < self.settings.slots:
            # a new source means new exports: the next worker imports for them while this one builds
            self._idle.append(self.new_worker(persistent=True, warm="export"))

    def _begin(self, kind: str, key: str) -> Path:
        """Return a folder of the cache to work in. Raises ``UserError`` when there is no room for one."""
        try:
            return self.cache.begin(kind, key)
        except OSError as error:
            raise UserError(
                f"{self.cache.root} cannot be written ({error.strerror}); what is recorded is safe: free some room and "
                "run the same again, or move it with cache_dir="
            ) from error

    def _share_machine(self) -> None:
        """Work only while no other harness on this machine measures, and keep it from measuring meanwhile."""
        if not self._machine.held:
            self._machine.acquire(
                lambda pid: self.progress.waiting(f"{locks.named(pid)} measures or converts"), shared=True
            )

    def _extra(self, node: Node, key: str, entries: Mapping[str, Entry | None]) -> dict[str, Any]:
        """Options that are no part of the key."""
        if node.kind == "quantize":
            return {"kept": str(self.cache.partial(node.kind, key))}
        artifact = entries.get("artifact")
        if node.kind != "evaluate" or artifact is None:
            return {}
        return {"threads": max(1, cores() // self.settings.slots),
                "artifact_sha256": artifact.result.values.get("artifact_sha256")}  # fmt: skip

    def job(
        self,
        name: str,
        kind: str,
        options: dict[str, Any],
        entries: Mapping[str, Entry | None],
        out: Path,
        log: str,
    ) -> Job:
        """Return the job for a worker, its log and limits included."""
        s = self.settings
        self._started += 1
        limits = Limits(max(s.timeout_s.values()), s.job_memory_bytes, s.file_bytes, dict(s.timeout_s))
        return Job(
            id=name,
            kind=kind,
            options=options,
            inputs={n: str(e.path.absolute()) for n, e in entries.items() if e},
            out=str(out.absolute()),
            result=str((self.workdir / f"result-{self._started:05}.json").absolute()),
            log=str((s.run_folder / "logs" / log).absolute()),
            limits=limits,
        )

    def new_worker(self, *, persistent: bool, warm: str | None = None, toolchain: str = DEFAULT) -> Worker:
        """Start a process of a toolchain, in a folder of its own; see ``Worker``."""
        self._started += 1
        s = self.settings
        return Worker(
            s.tools[toolchain].python,
            self.workdir / f"worker-{self._started:05}",
            memory_bytes=s.job_memory_bytes,
            file_bytes=s.file_bytes,
            env={ROOT_VARIABLE: str(self.cache.root)},
            persistent=persistent,
            warm=warm,
        )

    def _worker(self, node: Node, need: int) -> Worker:
        """Return an idle worker of the node's toolchain, or a new one; no more wait than there are slots."""
        if node.kind not in PERSISTENT:
            return self.new_worker(persistent=False, toolchain=node.toolchain)
        if need > self.settings.memory_bytes // 2:
            while len(self._idle) > 1:
                self._idle.pop().close()
        python = self.settings.tools[node.toolchain].python
        while fitting := [worker for worker in self._idle if worker.python == python]:
            self._idle.remove(fitting[-1])
            if fitting[-1].alive:
                return fitting[-1]
            fitting[-1].close()
        while self._idle and len(self._idle) + len(self._running) >= self.settings.slots:
            self._idle.pop(0).close()
        return self.new_worker(persistent=True, toolchain=node.toolchain)

    def _wait(self, done: dict[str, Done]) -> None:
        """Block until a worker has news, or half a second to look at clocks and memory."""
        with selectors.DefaultSelector() as selector:
            for running in self._running:
                selector.register(running.worker, selectors.EVENT_READ)
            selector.select(timeout=0.5)
        for running in list(self._running):
            result = running.worker.poll() or guard(running.worker)
            if result is not None:
                self._running.remove(running)
                self._finish(running, result, done)
        if not self._running:
            self._machine.release()
        self.progress.tick([(r.node, r.worker.progress) for r in self._running])

    def _finish(self, running: _Running, result: JobResult, done: dict[str, Done]) -> None:
        self._put_back(running.worker)
        failure = result.failure
        if failure is not None and failure.reason == "killed" and not running.retried:
            self.cache.abandon(running.folder)
            self.progress.note(f"{running.node.id}: killed from outside, tried once more")
            entries = {name: done[need].entry for name, need in running.node.needs.items()}
            self._start(running.node, running.key, entries, running.need_bytes, running.lock, retried=True)
            return
        entry = None
        if failure is None or (failure.status in FINAL and failure.reason not in FLEETING):
            entry, result = self._commit(running, result)
        else:
            self.cache.abandon(running.folder)
        running.lock.release()
        done[running.node.id] = Done(entry, result, log=f"logs/{running.log}")
        self.progress.finished(running.node, done[running.node.id])

    def _commit(self, running: _Running, result: JobResult) -> tuple[Entry | None, JobResult]:
        """Keep a result; a full disk is the failure of this job, not of the run."""
        try:
            return self.cache.commit(running.node.kind, running.key, running.folder, result), result
        except StageFailed as error:
            stage = running.worker.stage or "export"
            failure = Failure("failed", stage, error.reason, type(error).__name__, str(error))
            return None, replace(result, failure=result.failure or failure)

    def _put_back(self, worker: Worker) -> None:
        healthy = worker.alive and worker.rss_bytes() < self.settings.recycle_bytes
        if healthy and worker.persistent:
            self._idle.append(worker)
        else:
            worker.close()


def guard(worker: Worker) -> JobResult | None:
    """End a worker whose stage takes too long or that uses too much memory; return that as its result."""
    if worker.job is None:
        return None
    if worker.expired(time.monotonic()):
        stage = worker.stage or worker.job.kind
        return worker.kill("timeout", "timeout", f"stage {stage} took longer than {worker.timeout_s():g} s")
    if worker.over_memory():
        limit = worker.job.limits.memory_bytes / GIB
        return worker.kill("out_of_memory", "memory_limit", f"more than {limit:.1f} GiB resident")
    return None


def cores() -> int:
    """Return how many CPUs this process may use."""
    import os

    return len(os.sched_getaffinity(0))


def log_name(name: str) -> str:
    """Return the file name of a node's log."""
    return name.replace("/", "__") + ".log"
