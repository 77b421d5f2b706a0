"""What the stages that run an artifact share: find it, check it, open it, read the task's images."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness import files, plugins
from harness.errors import StageFailed, Unsupported
from harness.records import Job
from harness.runtimes.contract import FloatArray, Session
from zoo import preprocessing


@dataclass(frozen=True, slots=True)
class Subject:
    """An artifact and the runtime it is to run in: checked, libraries imported, not yet loaded."""

    path: Path
    runtime: ModuleType
    options: Any
    threads: int

    @property
    def batch(self) -> int:
        """Images an invoke."""
        return int(getattr(self.options, "batch", 1))

    def open(self) -> Session:
        """Load the artifact. Raises ``Unsupported`` or what the library raises."""
        return cast(Session, self.runtime.open_session(self.path, self.options, self.threads))


def subject(job: Job) -> Subject:
    """Return the artifact of a job with its runtime.

    Raises:
        StageFailed: ``damaged_artifact``, when the file is not the one that was recorded.
        Unsupported: ``unreadable_format``, when the runtime does not read the format.
        UserError: unknown runtime or option.
    """
    chosen = dict(job.options["runtime"])
    method = chosen["method"]
    runtime = plugins.load("runtimes", method, job.options.get("plugins_dir"))
    options = plugins.options(runtime, chosen)
    info = read_json(Path(job.inputs["artifact"], "artifact.json"))
    if info["format"] not in runtime.READS:
        raise Unsupported(f"{method} does not read {info['format']}", "unreadable_format")
    path = Path(job.inputs["artifact"], info["file"])
    _check(path, job.options.get("artifact_sha256"))
    for name in getattr(runtime, "LIBRARIES", ()):
        importlib.import_module(name)
    return Subject(path, runtime, options, int(job.options["threads"]))


def original(job: Job, runtimes: Mapping[str, tuple[str, dict[str, Any]]], output: str) -> tuple[Session, float | None]:
    """Return the artifact that a job's artifact was converted from, opened, and the step of one of its outputs.

    ``runtimes``: format → method and options of the runtime to open it in. The step is the scale of the integers that
    the output is made from, None for a float one.
    """
    from harness.graph.read import read

    folder = Path(job.inputs["converted_from"])
    info = read_json(folder / "artifact.json")
    method, options = runtimes[info["format"]]
    runtime = plugins.load("runtimes", method, job.options.get("plugins_dir"))
    path = folder / info["file"]
    graph = read(path, info["format"])
    number = graph.outputs[output]
    maker = graph.producers.get(number)
    behind = maker.inputs[0] if maker is not None and maker.op == "DEQUANTIZE" else number
    scales = graph.tensors[behind].scales
    session = runtime.open_session(path, plugins.options(runtime, options), int(job.options["threads"]))
    return cast(Session, session), scales[0] if len(scales) == 1 else None


def _check(path: Path, recorded: str | None) -> None:
    """Compare the checksum of a file; a folder is checked by the cache that holds it."""
    if not path.exists():
        raise StageFailed(f"{path.name} is gone", "damaged_artifact")
    if recorded is None or path.is_dir():
        return
    found = files.sha256(path)
    if found != recorded:
        raise StageFailed(f"{path.name} has sha256 {found}, recorded is {recorded}", "damaged_artifact")


@dataclass(frozen=True, slots=True)
class Images:
    """The evaluation images of a task as a model takes them."""

    pixels: NDArray[np.uint8]
    """(N, H, W, C), mapped from the file."""
    mode: str
    """Preprocessing; see ``zoo.preprocessing``."""

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: NDArray[np.intp]) -> FloatArray:
        """Return float32 (n, H, W, C), preprocessed."""
        return preprocessing.apply(self.pixels[indices], self.mode)


def images(job: Job) -> Images:
    """Return the evaluation images of a job's dataset, preprocessed as its source says."""
    pixels = np.load(Path(job.inputs["dataset"], "eval_images.npy"), mmap_mode="r", allow_pickle=False)
    return Images(pixels, source_info(job)["preprocessing"])


def source_info(job: Job) -> dict[str, Any]:
    """Return ``source.json``: input, outputs, preprocessing."""
    return read_json(Path(job.inputs["source"], "source.json"))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content
