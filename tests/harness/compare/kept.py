"""Records whose artifacts are in a cache, and a machine that measures them as it is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import files
from harness.compare.again import Subject
from harness.metrics.latency import Round
from harness.records import Record
from tests.harness.compare.conftest import a_round

MEASURE = {
    "name": "test", "rounds": 1, "min_samples": 20, "min_seconds": 0.0, "max_samples": 30, "cap_seconds": 5,
    "warmup_runs": 2, "warmup_seconds": 0.0, "warmup_cap_s": 1, "max_images": None, "evaluate_cap_s": 60,
    "remeasure": 0,
}  # fmt: skip


def kept(record: Record, root: Path, turns: int = 1, *, measure: dict[str, Any] | None = None) -> Record:
    """Return a record whose artifact, source and dataset are in a cache."""
    folders = {kind: root / record.run / record.cell.quant / kind for kind in ("export", "source", "dataset")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    artifact = folders["export"] / "model.tflite"
    artifact.write_text(str(turns))
    (folders["export"] / "artifact.json").write_text(json.dumps({"format": "tflite", "file": artifact.name}))
    (folders["source"] / "source.json").write_text(json.dumps({"preprocessing": "none"}))
    np.save(folders["dataset"] / "eval_images.npy", np.zeros((1, 2, 2, 1), np.uint8))
    made = {kind: str(folder) for kind, folder in folders.items()}
    options = {"runtime": {"method": "loop"}, "measure": measure or MEASURE}
    return replace(record, options=options, details=record.details | {"made_from": made},
                   artifact_sha256=files.sha256(artifact))  # fmt: skip


class Machine:
    """Measures what it is told: run → ms a round; a round may also be an exception, or None for a disturbed one."""

    def __init__(self, **says: Any) -> None:
        self.says = {run: iter(values) if isinstance(values, list) else values for run, values in says.items()}
        self.asked: list[str] = []

    def __call__(self, one: Subject) -> Round:
        run = one.inputs["artifact"].parts[-3]
        self.asked.append(run)
        said = self.says[run]
        found = next(said) if not isinstance(said, int | float) else said
        if isinstance(found, Exception):
            raise found
        if found is None:
            return a_round(2.0) | {"cpu_ns": [1_000_000] * 9}
        return a_round(found)
