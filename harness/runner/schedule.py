"""A run from plan to records: model by model, convert and check in workers, then measure alone, then write down.

Interrupted at any moment, the same command goes on: finished cells are in ``records.jsonl``, finished work is in
the cache.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import cache, codec, environment, files, plan, toolchains
from harness.config import VARIANT, Composed, RunConfig, choices
from harness.errors import UserError
from harness.records import Record
from harness.runner import compose, measure, tools
from harness.runner.keys import Keys
from harness.runner.pool import GIB, Done, Pool, Settings, cores
from harness.runner.progress import Progress
from harness.store import Store

AXIS_KEYS = ("model", "quant", "export", "runtime", "toolchain", "threads")
PRIVATE_KEYS = ("run_id", "rerun", "fail_on", "results_dir", "reports_dir", "tracker")


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    verdict: dict[str, Any]
    """The thresholds it was composed with."""
    records: list[Record]
    user_errors: list[str]
    """One line for each thing that the person at the keyboard can fix."""


def run(composed: Composed, progress: Progress) -> Run:
    """Run every cell of the configuration that is not done yet. Raises ``UserError``."""
    config = composed.config
    made = plan.make(config)
    if not made.cells:
        raise UserError("nothing to run: no chosen runtime reads what the chosen exporters write; "
                        "`harness list` shows what reads what")  # fmt: skip
    found = tools.resolve([*config.toolchain, *made.toolchains], _cache_root(config))
    here = found[toolchains.DEFAULT]
    with open_run(config, made.digest) as (store, state):
        keys = Keys(here.fingerprint, config.plugins_dir, state.get("nonce", ""), found)
        keep(store.folder / "config.yaml", composed.yaml.encode())
        store.write_json("environment.json", here.environment)
        for name, one in found.items():
            if name != toolchains.DEFAULT and one.absent is None:
                store.write_json(f"environment-{name}.json", one.environment)
        store.write_json("run.json", state | {"overrides": list(composed.overrides), "cells": len(made.cells)})
        with _pool(config, store.folder, keys, progress) as pool:
            progress.plan(made)
            for absent in filter(None, (one.absent for one in found.values())):
                progress.note(absent.message)
            for batch in made.batches:
                _batch(batch, pool, store, composed)
        store.write_json("run.json", store.read_json("run.json") | {"complete": True})
        return Run(store.folder, config.verdict, list(store.records), _user_errors(store.records))


@contextlib.contextmanager
def open_run(config: RunConfig, digest: str) -> Iterator[tuple[Store, dict[str, Any]]]:
    """Open the run's folder: the named one, else the newest unfinished one of the same plan, else a new one.

    With ``rerun`` only a run that measures again itself is gone on with: what another has recorded is set aside.
    """
    root = Path(config.results_dir)
    with contextlib.ExitStack() as stack:
        store = None if config.run_id else _unfinished(root, digest, stack, rerun=config.rerun)
        if store is None:
            folder = root / (config.run_id or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest[:6]}-{secrets.token_hex(2)}")
            store = stack.enter_context(Store(folder))
        state = store.read_json("run.json") or {}
        if state and config.rerun and not _measures_again(state):
            store = stack.enter_context(_set_aside(store))
            state = {}
        fresh = {"id": store.folder.name, "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                 "nonce": secrets.token_hex(8) if config.rerun else ""}  # fmt: skip
        yield store, fresh | state | {"plan": digest, "complete": False}


def _measures_again(state: Mapping[str, Any]) -> bool:
    """Say whether a run is an unfinished one that was begun with ``rerun``."""
    return state.get("complete") is False and bool(state.get("nonce"))


def _unfinished(root: Path, digest: str, stack: contextlib.ExitStack, *, rerun: bool) -> Store | None:
    folders = sorted(root.glob("*-*/run.json"), reverse=True) if root.is_dir() else []
    for file in folders:
        if _is_unfinished(file, digest, rerun=rerun):
            with contextlib.suppress(UserError):  # somebody else is writing it: not ours to go on with
                return stack.enter_context(Store(file.parent))
    return None


def _is_unfinished(file: Path, digest: str, *, rerun: bool) -> bool:
    try:
        state = codec.decode(file.read_bytes(), dict)
    except (OSError, codec.CodecError):
        return False
    unfinished = state.get("plan") == digest and state.get("complete") is False
    return unfinished and (not rerun or _measures_again(state))


def _set_aside(store: Store) -> Store:
    """Make room in a run for the same cells measured anew: the old records, if any, get a number."""
    store.close()
    numbers, records = itertools.count(1), store.folder / "records.jsonl"
    if records.exists():
        records.replace(next(p for n in numbers if not (p := store.folder / f"records.{n}.jsonl").exists()))
    return Store(store.folder)


def keep(path: Path, content: bytes) -> None:
    """Write a file of the run, whole or not at all. Raises ``UserError`` when there is no room."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); what is recorded is safe: "
                        "free some room and run the same again, or move it with results_dir=") from error  # fmt: skip


def _cache_root(config: RunConfig) -> Path:
    return Path(config.cache_dir) if config.cache_dir else cache.default_root()


@contextlib.contextmanager
def _pool(config: RunConfig, folder: Path, keys: Keys, progress: Progress) -> Iterator[Pool]:
    limits = config.limits
    budget = int((limits.memory_gib or 0) * GIB) or int(environment.memory_available() * 0.9)
    settings = Settings(
        tools=keys.tools,
        run_folder=folder,
        slots=limits.jobs or min(cores(), 4),
        memory_bytes=budget,
        job_memory_bytes=int((limits.job_memory_gib or 0) * GIB) or budget,
        file_bytes=int(limits.file_gib * GIB),
        timeout_s=limits.timeout_s,
    )
    (folder / "logs").mkdir(exist_ok=True)
    with (
        cache.Cache(_cache_root(config)) as entries,
        Pool(settings, entries, keys, progress, entries.temporary()) as pool,
    ):
        yield pool


def _batch(batch: plan.Batch, pool: Pool, store: Store, composed: Composed) -> None:
    """Do all that is left of one model and append its records."""
    keys = {p.cell.id: pool.keys.cell(p) for p in batch.cells}
    known = {(r.cell.id, r.key) for r in store.records}
    left = [p for p in batch.cells if (p.cell.id, keys[p.cell.id]) not in known]
    if not left:
        pool.progress.skipped(batch)
        return
    started = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    pool.progress.begin(batch)
    done = pool.run(batch.nodes)
    rounds = measure.measure(list(_members(batch, done)), pool, composed.config.seed)
    kinds = {node.kind: node.id for node in batch.nodes}
    context = compose.Context(store.folder.name, pool.keys.fingerprint, started, done, rounds,
                              kinds["source"], kinds["dataset"])  # fmt: skip
    fresh: list[Record] = []
    for planned in left:
        own = replace(context, fingerprint=pool.keys.fingerprint_of(planned.cell.toolchain))
        made, samples = compose.record(planned, keys[planned.cell.id], reproduce(planned, composed), own)
        made = _keep_files(made, samples, done.get(planned.evaluate_node), store)
        store.append(made)
        pool.progress.recorded(made)
        fresh.append(made)
    pool.progress.batch_done(fresh)


def _members(batch: plan.Batch, done: dict[str, Done]) -> Iterator[measure.Member]:
    """Cells whose artifact loads, runs and was compared: those that can be measured."""
    for planned in batch.cells:
        evaluated = done.get(planned.evaluate_node)
        if evaluated is None or evaluated.failure is not None:
            continue
        node = next(n for n in batch.nodes if n.id == planned.evaluate_node)
        inputs = {name: entry for name, need in node.needs.items() if (entry := done[need].entry)}
        yield measure.Member(planned, inputs)


def _keep_files(made: Record, samples: dict[str, Any], evaluated: Done | None, store: Store) -> Record:
    """Put raw samples and per-image predictions beside the records; the record says where."""
    name, kept = made.cell.id.replace("/", "__"), {}
    if samples:
        kept["samples"] = f"samples/{name}.json"
        keep(store.folder / kept["samples"], codec.encode(samples))
    if evaluated and evaluated.entry and (evaluated.entry.path / "predictions.npz").is_file():
        kept["predictions"] = f"predictions/{name}.npz"
        keep(store.folder / kept["predictions"], (evaluated.entry.path / "predictions.npz").read_bytes())
    return replace(made, details=made.details | {"files": kept})


def reproduce(planned: plan.PlannedCell, composed: Composed) -> str:
    """Return the command that runs exactly this cell (and the float model it is compared with) again."""
    cell = planned.cell
    axes = [axis for axis in AXIS_KEYS[:-1] if (axis, cell.toolchain) != ("toolchain", toolchains.DEFAULT)]
    chosen = [word for axis in axes for word in _choice(axis, getattr(cell, axis))]
    chosen.append(f"threads={cell.threads}")
    kept = [o for o in composed.overrides if _concerns(o, cell)]
    return shlex.join(["python", "-m", "harness", *chosen, *kept, "rerun=true"])


def _choice(axis: str, name: str) -> list[str]:
    """Return the overrides that choose ``name``: ``onnx@opset=14`` is ``export=onnx`` and ``export.onnx.opset=14``.

    A name that has no file was added by ``+axis.name=…``, which is kept.
    """
    base, _, settings = name.partition(VARIANT)
    own = [f"{axis}.{base}.{setting}" for setting in settings.split(",") if setting]
    return [f"{axis}={base}" if base in choices(axis) else f"{axis}=[]", *own]


def _concerns(override: str, cell: Any) -> bool:
    """True when an override (other than the choice of axes) is needed for this cell."""
    key = override.lstrip("+~").split("=", 1)[0]
    parts = key.split(".")
    if parts[0] in PRIVATE_KEYS or key in AXIS_KEYS or override.startswith("~"):
        return False
    if parts[0] not in AXIS_KEYS:
        return True
    base, _, settings = str(getattr(cell, parts[0])).partition(VARIANT)
    varied = {setting.partition("=")[0] for setting in settings.split(",")}
    return parts[1] in (base, plan.BASELINE) and not (parts[1] == base and parts[2:3] and parts[2] in varied)


def _user_errors(records: Sequence[Record]) -> list[str]:
    lines = [f"{r.cell.model}: {r.failure.message}" for r in records if r.failure and r.failure.user_error]
    return list(dict.fromkeys(lines))
