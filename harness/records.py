"""Every noun of the harness: one frozen dataclass each, all of them plain JSON (see ``codec``).

Record format history:

1. first format (November 2026)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

RECORD_VERSION = 1

Status = Literal["ok", "unsupported", "failed", "crashed", "out_of_memory", "timeout", "noisy"]
Stage = Literal["source", "quantize", "export", "audit", "load", "run", "fidelity", "accuracy", "latency"]
STAGES: tuple[Stage, ...] = (
    "source", "quantize", "export", "audit", "load", "run", "fidelity", "accuracy", "latency",
)  # fmt: skip
Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One coordinate of the matrix."""

    model: str
    family: str
    quant: str
    export: str
    runtime: str
    threads: int
    task: str
    toolchain: str = "default"

    @property
    def id(self) -> str:
        """Readable name, unique in a run: ``resnet50/int8/tflite/xnnpack/t1``."""
        tail = "" if self.toolchain == "default" else f"/{self.toolchain}"
        return f"{self.model}/{self.quant}/{self.export}/{self.runtime}/t{self.threads}{tail}"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A named set of pinned packages; a file of ``conf/toolchain``."""

    name: str
    python: str | None
    """Version of Python, ``3.11``; None for the default, which has the one it has."""
    wants: tuple[str, ...]
    """What the set was compiled from."""
    imports: tuple[str, ...]
    """Modules that must import before an environment counts as made."""
    packages: tuple[str, ...]
    """The complete set, ``name==version`` each."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job or a cell stopped."""

    status: Status
    stage: Stage
    reason: str
    """Short snake_case code: ``converter_error``, ``signal_11``, ``no_result``, ``float_ops`` …"""
    error: str
    """Class name of the exception, or the name of the signal."""
    message: str
    log_tail: str = ""
    user_error: bool = False
    """True when the person at the keyboard can fix it: the run goes on, the exit code is 2."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use."""

    timeout_s: float
    """For a stage that has no limit of its own."""
    memory_bytes: int
    file_bytes: int
    stage_timeout_s: dict[str, float] = field(default_factory=dict)
    """Stage → seconds."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for one worker, written as JSON; ``inputs`` and ``out`` are folders."""

    id: str
    kind: str
    """Module of ``harness.stages`` that does it: dataset, source, quantize, export, evaluate, latency."""
    options: dict[str, Any]
    inputs: dict[str, str]
    out: str
    result: str
    log: str
    limits: Limits
    cell: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a worker answers, written as JSON: facts, and for facts that are absent the reason."""

    id: str
    failure: Failure | None = None
    values: dict[str, Value] = field(default_factory=dict)
    """Columns: name → value, in the unit that the name or ``metrics`` says."""
    missing: dict[str, str] = field(default_factory=dict)
    """Column → why it has no value."""
    details: dict[str, Any] = field(default_factory=dict)
    """Everything too large for a column: op counts, raw latencies, ranges of tensors."""
    seconds: float = 0.0
    peak_rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """Everything known of one cell after one run of it: facts only, no judgement."""

    version: int
    run: str
    cell: Cell
    key: str
    """Hash of all that determines the cell: options, packages, code, machine."""
    status: Status
    stage: Stage
    """The last stage entered: ``latency`` for a cell that went all the way."""
    failure: Failure | None
    options: dict[str, Any]
    values: dict[str, Value]
    missing: dict[str, str]
    details: dict[str, Any]
    artifact: str | None
    """Path in the cache; exists while the cache holds it."""
    artifact_sha256: str | None
    fingerprint: str
    reproduce: str
    logs: dict[str, str]
    """Job kind → log file, relative to the run's folder."""
    started_at: str
    """ISO 8601, UTC."""
    seconds: float
