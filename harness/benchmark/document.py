"""One run as one document of pytest-benchmark: a benchmark for each cell that has raw samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.benchmark.statistics import stats
from harness.compare.pairing import Side, run_file
from harness.compare.rounds import stored
from harness.metrics.latency import samples_ms
from harness.records import Record

FORMAT = "5.0.0"
"""Version of pytest-benchmark whose storage format this is."""
INFO = (
    "latency_p50_ms", "latency_ci_low_ms", "latency_ci_high_ms", "clean_fraction", "processes", "size_bytes", "top1",
    "agreement", "int8_mac_share", "partitions",
)  # fmt: skip
"""What else a benchmark says of its cell."""


@dataclass(frozen=True, slots=True)
class Document:
    """What there is to write, and the cells that it cannot hold."""

    content: dict[str, Any]
    left_out: tuple[str, ...]
    """Cells without raw samples: they stopped before latency, or the run was published without them."""


def document(run: Side) -> Document:
    """Return the document on the newest record of each cell."""
    records = [found[-1] for found in run.cells.values()]
    made = {record.cell.task + record.cell.id: _benchmark(run, record) for record in records}
    left_out = tuple(record.cell.id for record in records if made[record.cell.task + record.cell.id] is None)
    content = {
        "machine_info": _machine(run_file(run, run.runs[-1], "environment.json")),
        "commit_info": _commit(run_file(run, run.runs[-1], "environment.json")),
        "benchmarks": [one for one in made.values() if one is not None],
        "datetime": min(record.started_at for record in records),
        "version": FORMAT,
    }
    return Document(content, left_out)


def _benchmark(run: Side, record: Record) -> dict[str, Any] | None:
    """Return one cell as a benchmark; None without samples. Cells of a model and task are a group."""
    basis, seconds = _seconds(run, record)
    if not seconds:
        return None
    cell = record.cell
    name = f"latency[{cell.id}]"
    params = {"model": cell.model, "quant": cell.quant, "export": cell.export, "runtime": cell.runtime,
              "threads": cell.threads, "task": cell.task, "toolchain": cell.toolchain}  # fmt: skip
    known = {key: record.values[key] for key in INFO if record.values.get(key) is not None}
    info = {"run": record.run, "status": record.status, "samples": basis, "fingerprint": record.fingerprint,
            "artifact_sha256": record.artifact_sha256, "reproduce": record.reproduce, **known}  # fmt: skip
    return {
        "group": f"{cell.model}, {cell.task}",
        "name": name,
        "fullname": f"{cell.task}::{name}",
        "params": params,
        "param": cell.id,
        "extra_info": info,
        "options": _options(record),
        "stats": stats(seconds),
    }


def _seconds(run: Side, record: Record) -> tuple[str, list[float]]:
    """Return which samples count and their times, s; none when what is stored is not what it should be."""
    rounds = stored(run, record)
    try:
        basis, groups = samples_ms(rounds)
        found = [float(value) / 1e3 for group in groups for value in group]
    except (KeyError, ValueError, TypeError):
        return "", []
    return basis, found if all(math.isfinite(value) and value > 0 for value in found) else []


def _options(record: Record) -> dict[str, Any]:
    """Return how it was measured, in pytest-benchmark's words."""
    effort = record.options.get("measure")
    effort = effort if isinstance(effort, dict) else {}
    return {"disable_gc": True, "timer": "perf_counter", "min_rounds": effort.get("min_samples"),
            "max_time": effort.get("cap_seconds"), "min_time": effort.get("min_seconds"), "warmup": True}  # fmt: skip


def _machine(environment: dict[str, Any]) -> dict[str, Any]:
    """Return the machine of a run; its name is not part of a record, so there is none here."""
    cpu = {"brand_raw": environment.get("cpu"), "arch": environment.get("machine"),
           "count": environment.get("cores"), "flags": environment.get("cpu_flags")}  # fmt: skip
    return {
        "node": "", "machine": environment.get("machine"), "processor": environment.get("cpu"),
        "python_implementation": "CPython", "python_version": environment.get("python"),
        "release": environment.get("kernel"), "system": "Linux", "cpu": cpu, "packages": environment.get("packages"),
    }  # fmt: skip


def _commit(environment: dict[str, Any]) -> dict[str, Any]:
    return {"id": environment.get("git_revision") or "unversioned", "time": None, "author_time": None, "dirty": False,
            "project": "zoo-harness", "branch": "(unknown)"}  # fmt: skip
