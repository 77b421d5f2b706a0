"""For the tests of stages: a cell on disk (dataset, source, artifact), and a runtime in NumPy of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.records import Job, Limits

RUNTIME = '''
"""A linear classifier in NumPy; the artifact holds its weights and what it does wrong."""
from dataclasses import dataclass, field
import json
import numpy as np
from harness.runtimes.contract import TensorSpec, from_batch, to_batch

READS = ("tflite",)
PACKAGES = ()
LIBRARIES = ()

@dataclass
class Options:
    batch: int = field(default=1, metadata={"min": 1})
    fault: str = ""

class Session:
    def __init__(self, weights, options):
        self.weights, self.options = np.asarray(weights, np.float32), options
        self.inputs = (TensorSpec("image", (options.batch, 2, 2, 1), "float32"),)
        self.outputs = (TensorSpec("scores", (options.batch, self.weights.shape[1]), "float32"),)
        self.calls = 0
    def prepare(self, image):
        self.image = to_batch(image, self.options.batch).reshape(self.options.batch, -1)
    def invoke(self):
        self.calls += 1
        self.result = self.image @ self.weights
        if self.options.fault == "nan":
            self.result[0, 0] = np.nan
    def run(self, image):
        self.prepare(image)
        self.invoke()
        name = "other" if self.options.fault == "name" else "scores"
        return {name: from_batch(name, self.result, len(image), self.options.batch)}
    def coverage(self):
        if self.options.fault == "coverage":
            return {"delegate_applied": True, "partitions": 2, "undelegated_ops": 3, "undelegated": {"SOFTMAX": 3}}
        return {}

def open_session(artifact, options, threads):
    return Session(json.loads(artifact.read_text()), options)
'''

MEASURE = {
    "name": "test", "rounds": 1, "min_samples": 20, "min_seconds": 0.0, "max_samples": 30, "cap_seconds": 5,
    "warmup_runs": 6, "warmup_seconds": 0.0, "warmup_cap_s": 1, "max_images": None, "evaluate_cap_s": 60,
    "remeasure": 0,
}  # fmt: skip


class Reports:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, note: str = "") -> None:
        assert 0 <= fraction <= 1


@dataclass
class CellOnDisk:
    """Folders of a cell whose float model is ``pixels @ weights`` with 7 classes."""

    root: Path
    images: int = 40
    labelled: bool = True
    weights: Any = field(default_factory=lambda: np.random.default_rng(3).normal(size=(4, 7)).round(3))

    def __post_init__(self) -> None:
        for name in ("dataset", "source", "artifact", "out", "plugins/runtimes"):
            (self.root / name).mkdir(parents=True)
        self.pixels = np.random.default_rng(4).integers(0, 256, (self.images, 2, 2, 1), dtype=np.uint8)
        np.save(self.root / "dataset/eval_images.npy", self.pixels)
        self.scores = self.pixels.reshape(self.images, 4).astype(np.float32) @ self.weights.astype(np.float32)
        self.labels = self.scores.argmax(axis=1).astype(np.int32)
        if self.labelled:
            np.save(self.root / "dataset/eval_labels.npy", self.labels)
        self._json("dataset/dataset.json", {"name": "toy", "classes": 7, "labelled": self.labelled, "skipped": []})
        np.savez(self.root / "source/reference.npz", scores=self.scores)
        self._json("source/source.json", {"preprocessing": "none", "primary": "scores", "classes": 7})
        self.write_artifact(self.weights)
        (self.root / "plugins/runtimes/toy.py").write_text(RUNTIME)

    def _json(self, name: str, content: Any) -> None:
        (self.root / name).write_text(json.dumps(content))

    def write_artifact(self, weights: Any) -> None:
        """Write the weights that the runtime multiplies with."""
        self._json("artifact/model.tflite", np.asarray(weights).tolist())
        self._json("artifact/artifact.json", {"format": "tflite", "file": "model.tflite"})

    def job(self, kind: str, measure: dict[str, Any] | None = None, **options: Any) -> Job:
        """A job on the NumPy runtime; ``runtime`` options and others by name."""
        runtime = {"method": "toy", **options.pop("runtime", {})}
        plain = {"runtime": runtime, "threads": 1, "plugins_dir": str(self.root / "plugins"), "artifact_sha256": None}
        return Job(
            id="1",
            kind=kind,
            options={**plain, "measure": {**MEASURE, **(measure or {})}, **options},
            inputs={name: str(self.root / name) for name in ("dataset", "source", "quantized", "artifact")},
            out=str(self.root / "out"),
            result="",
            log="",
            limits=Limits(60, 2**30, 2**30),
        )


@pytest.fixture
def make_cell(tmp_path: Path) -> Callable[..., CellOnDisk]:
    """Write a cell into the test's folder; keywords are the fields of ``CellOnDisk``."""
    return lambda **fields: CellOnDisk(tmp_path, **fields)


@pytest.fixture
def toy(make_cell: Callable[..., CellOnDisk]) -> CellOnDisk:
    """A cell with labels."""
    return make_cell()


@pytest.fixture
def reports() -> Reports:
    """A reporter that remembers the stages it was told."""
    return Reports()
