"""Runs that never ran: cells with predictions and samples of a chosen accuracy and speed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec import encode_record
from harness.compare.comparison import Ask, Comparison, compare
from harness.metrics.latency import summarize
from harness.records import Cell, Failure, Record, Value
from harness.tables import thresholds

LIMITS = thresholds("default").compare
IMAGES = 450


def cell(
    quant: str = "int8",
    runtime: str = "xnnpack",
    model: str = "mobilenet_v2",
    task: str = "digits",
    toolchain: str = "default",
) -> Cell:
    return Cell(model, "mobilenet", quant, "tflite", runtime, 1, task, toolchain)


def right(count: int, images: int = IMAGES, first: int = 0) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which images are right: ``count`` of them, from image ``first`` on, around the end."""
    return np.isin(np.arange(images), (np.arange(count) + first) % images)


class Runs:
    """Makes records and writes run folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def record(
        self,
        run: str,
        where: Cell | None = None,
        *,
        medians_ms: Iterable[float] = (2.0, 2.02, 2.04),
        day: int = 1,
        fingerprint: str = "f00d",
        **values: Value,
    ) -> Record:
        """Return a cell that went all the way, its latency columns those of its processes; None takes a value away."""
        where = where or cell()
        rounds = [a_round(ms) for ms in medians_ms]
        facts: dict[str, Value] = {
            "top1": 0.98, "images": IMAGES, "size_bytes": 2_700_000, "int8_mac_share": 1.0, "float_ops": 0,
            "partitions": 1, "undelegated_ops": 0, "agreement": 0.99, "cosine": 0.995, "sqnr_db": 25.0,
            **summarize(rounds)[0], **values,
        }  # fmt: skip
        return Record(
            version=1, run=run, cell=where, key="0" * 16, status="ok", stage="latency", failure=None, options={},
            values={k: v for k, v in facts.items() if v is not None}, missing={"sparsity": "not pruned"},
            details={"rounds": rounds}, artifact=None, artifact_sha256="ab" * 32, fingerprint=fingerprint,
            reproduce="python -m harness", logs={}, started_at=f"2026-11-{day:02d}T02:00:00Z", seconds=1.0,
        )  # fmt: skip

    def stopped(self, record: Record, reason: str = "converter_error", status: str = "failed") -> Record:
        """Return the same cell when it stopped in the export."""
        failure = Failure(status, "export", reason, "RuntimeError", f"it says {reason}")  # type: ignore[arg-type]
        return replace(record, status=failure.status, stage="export", failure=failure, values={}, artifact_sha256=None)

    def write(
        self,
        run: str,
        records: Iterable[Record],
        correct: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a run's folder, with samples, and predictions right where ``correct`` (cell id → bools) says so."""
        folder = self.root / run
        for name in ("samples", "predictions"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        kept = [self._keep(folder, record, (correct or {}).get(record.cell.id, right(441))) for record in records]
        (folder / "records.jsonl").write_bytes(b"".join(encode_record(r) + b"\n" for r in kept))
        (folder / "environment.json").write_text(json.dumps(environment or {"cpu": "a"}))
        return folder

    def _keep(self, folder: Path, record: Record, correct: Any) -> Record:
        name, files, details = record.cell.id.replace("/", "__"), {}, dict(record.details)
        rounds = details.pop("rounds", None)
        if rounds and record.status == "ok":
            files["samples"] = f"samples/{name}.json"
            (folder / files["samples"]).write_text(json.dumps({"rounds": rounds}))
        if "top1" in record.values:
            files["predictions"] = f"predictions/{name}.npz"
            predictions(folder / files["predictions"], correct)
        return replace(record, details=details | {"files": files | record.details.get("files", {})})

    def compare(self, base: str | Path, cand: str | Path, **ask: Any) -> Comparison:
        """Compare two runs by the thresholds of ``conf/verdict/default.yaml``."""
        return compare([self.root / base], [self.root / cand], Ask(ask.pop("limits", LIMITS), **ask))


def a_round(ms: float) -> dict[str, Any]:
    """Return a round whose clean median is ``ms``."""
    wall = [int(ms * 1e6)] * 9
    return {"wall_ns": wall, "cpu_ns": wall, "load_ms": 1.0, "first_ms": 2.0}


def predictions(path: Path, correct: Any) -> None:
    """Store predictions as ``stages.evaluate`` does: the right class where ``correct``, else another."""
    images = len(correct)
    labels = (np.arange(images) % 10).astype(np.int32)
    best = np.where(correct, labels, (labels + 1) % 10).astype(np.int32)
    classes = np.stack([best, (best + 2) % 10], axis=1)
    order = np.random.default_rng(0).permutation(images).astype(np.int32)
    np.savez_compressed(path, image=order, classes=classes[order], labels=labels[order])


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return the factory."""
    return Runs(tmp_path / "results")
