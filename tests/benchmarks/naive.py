"""What the harness costs beside the naive way: the same cells, the same number of inferences, cold.

    python tests/benchmarks/naive.py [model …] [--runs N] [--keep]

The naive way is the script that one writes from the tutorials, ``naive_script.py``: one process,
``from_keras_model`` for every scheme, ``tf2onnx.convert.from_keras``, a SavedModel, each loaded once, run on the
images and timed in a loop. It audits, checks and keeps nothing.

The harness runs first, from an empty cache; what it measured says how many images, warm-ups and samples each cell
has. Then the naive script does as many, on the same images, with the same model. Before both, the libraries are
imported once, so that neither has to fetch them from the disk. From the wall-clock time of both,
start of the process to its end, goes the time in which a timed inference ran. What is left is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness import codec, locks, manifests  # noqa: E402
from harness.records import JobResult, Record  # noqa: E402

TARGET = 0.5
ENVIRONMENT = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
Parts = Mapping[str, float]
"""What the time went to → seconds."""
Span = tuple[float, float]
"""Start and end, seconds."""


@dataclass(frozen=True)
class Cost:
    """One side of the comparison, seconds."""

    wall: float
    cpu: float
    """Of all processes together."""
    inference: float
    """Wall-clock time in which a timed inference ran."""
    parts: Parts
    """Of all other time."""

    @property
    def rest(self) -> float:
        """Everything but the timed inferences."""
        return self.wall - self.inference


@dataclass(frozen=True)
class Measured:
    """A cell that the harness measured: its record and the raw times of its rounds."""

    record: Record
    rounds: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """``int8/tflite/xnnpack``."""
        cell = self.record.cell
        return f"{cell.quant}/{cell.export}/{cell.runtime}"

    @property
    def effort(self) -> dict[str, int]:
        """How many inferences of each kind; the first one of a process is a warm-up."""
        return {
            "images": int(self.record.values["images"] or 0),
            "warmups": sum(1 + len(one["warmup_ns"]) for one in self.rounds),
            "samples": sum(len(one["wall_ns"]) for one in self.rounds),
        }


def main() -> int:
    """Compare; exit code 1 when the harness costs more than half of the naive way for one of the models."""
    options = _parse()
    imports = "import tensorflow, tf_keras, tf2onnx, onnxruntime, ai_edge_litert.interpreter, sklearn.datasets, pandas"
    subprocess.run([sys.executable, "-c", imports], check=True, env=os.environ | ENVIRONMENT, stderr=subprocess.DEVNULL)
    ratios = {model: _compare(model, options.runs, options.keep) for model in options.models}
    for model, ratio in ratios.items():
        print(f"{model}: harness ÷ naive {ratio:.3f}, target ≤ {TARGET}: {'met' if ratio <= TARGET else 'MISSED'}")
    return 0 if max(ratios.values()) <= TARGET else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["mobilenet_v2", "resnet50"])
    parser.add_argument("--runs", type=int, default=1, help="of both; the median ratio counts")
    parser.add_argument("--keep", action="store_true", help="keep the folders and say where they are")
    return parser.parse_args()


def _compare(model: str, runs: int, keep: bool) -> float:
    """Print both sides of each run; return the median of harness ÷ naive, inferences left out."""
    ratios = []
    for number in range(runs):
        folder = Path(tempfile.mkdtemp(prefix="naive-"))
        print(f"{model}, run {number + 1} of {runs}, load average {os.getloadavg()[0]:.1f}", flush=True)
        try:
            ours, theirs = _harness(model, folder), _naive(folder)
        finally:
            if keep:
                print(f"  kept: {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        print(table(ours, theirs), flush=True)
        ratios.append(ours.rest / theirs.rest)
    return statistics.median(ratios)


def table(ours: Cost, theirs: Cost) -> str:
    """Return parts, sums and ratios as text."""
    lines = [f"  {'seconds':<52}{'harness':>9}{'naive':>9}"]
    for part in {**theirs.parts, **ours.parts}:
        shown = [f"{side.parts[part]:.1f}" if part in side.parts else "–" for side in (ours, theirs)]
        lines.append(f"  {part:<52}{shown[0]:>9}{shown[1]:>9}")
    rows = {
        "everything but timed inferences": (ours.rest, theirs.rest),
        "timed inferences": (ours.inference, theirs.inference),
        "wall clock": (ours.wall, theirs.wall),
        "CPU time of all processes": (ours.cpu, theirs.cpu),
    }
    for title, (own, other) in rows.items():
        lines.append(f"  {title:<52}{own:9.1f}{other:9.1f}   ratio {own / other:.3f}")
    return "\n".join(lines)


def _timed(command: Sequence[object], log: Path) -> tuple[float, float]:
    """Run a command to its end; return its wall-clock and CPU seconds. Raises ``CalledProcessError``."""
    words, environment = [str(word) for word in command], os.environ | ENVIRONMENT
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with log.open("wb") as output:
        subprocess.run(words, check=True, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _harness(model: str, folder: Path) -> Cost:
    """Run the harness cold; leave what the naive script shall do in ``task.json``."""
    places = [f"{name}_dir={folder / name}" for name in ("cache", "results", "reports")]
    choices = [f"model={model}", "quant=ptq", "task=photos", "measure=full", "run_id=harness"]
    wall, cpu = _timed([sys.executable, "-m", "harness", *choices, *places], folder / "harness.txt")
    if "measures or converts" in (folder / "harness.txt").read_text():
        print("  the harness had to wait for another one on this machine: its time is too long")
    measured = list(_measured(folder / "results" / "harness"))
    options = measured[0].record.options
    task = {key: options[key] for key in ("model", "task", "seed")}
    (folder / "task.json").write_text(json.dumps(task | {"cells": {one.name: one.effort for one in measured}}))
    return harness_cost(wall, cpu, measured, _jobs(folder / "cache"))


def _measured(run: Path) -> Iterator[Measured]:
    for line in (run / "records.jsonl").read_bytes().splitlines():
        record = codec.decode_record(line)
        kept = record.details.get("files", {})
        if "samples" in kept:
            yield Measured(record, json.loads((run / kept["samples"]).read_text())["rounds"])


def _jobs(cache: Path) -> dict[str, JobResult]:
    """Return what the cache knows of all jobs but those of latency, by their names."""
    files = cache.glob("entries/*/*/manifest.json")
    entries = [codec.decode(file.read_bytes(), manifests.Manifest) for file in files]
    return {entry.result.id: entry.result for entry in entries if entry.kind != "latency"}


def harness_cost(wall: float, cpu: float, measured: Iterable[Measured], jobs: Mapping[str, JobResult]) -> Cost:
    """Return the cost of a run.

    Conversions and evaluations run side by side. Their parts are seconds of work, so the last part takes off
    what they overlap; and the time in which several evaluations infer at once counts once.
    """
    parts: defaultdict[str, float] = defaultdict(float)
    latency, measuring = 0.0, 0.0
    for one in measured:
        latency += one.record.seconds - sum(jobs[name].seconds for name in jobs_of(one.record, jobs))
        measuring += sum(map(inference_s, one.rounds))
    for name, job in jobs.items():
        for part, seconds in parts_of(name.partition("/")[0], job).items():
            parts[part] += seconds
    parts["latency: imports, loading, pinning"] = latency - measuring
    inference = measuring + evaluating_s(jobs.values())
    last = "processes, parent, cache, tables; less overlap"
    return Cost(wall, cpu, inference, {**parts, last: wall - inference - sum(parts.values())})


def jobs_of(record: Record, jobs: Iterable[str]) -> list[str]:
    """Return the names of the jobs whose seconds are in those of a record, latency apart."""
    path = record.cell.id.split("/")
    own = {"/".join([kind, *path[:length]]) for kind, length in {"quantize": 2, "export": 3, "evaluate": 4}.items()}
    return [name for name in jobs if name in own or name.startswith(("dataset/", "source/"))]


def parts_of(kind: str, job: JobResult) -> Parts:
    """Return what a job spent beside inference."""
    if kind == "export":
        convert = float(job.values.get("convert_s") or job.seconds)
        return {"converting": convert, "auditing, sizes": job.seconds - convert}
    if kind == "evaluate":
        return {"evaluating: imports, loading, comparing": job.seconds - _inference(job)["inference_s"]}
    return {"building: images, model, SavedModel": job.seconds}


def _inference(job: JobResult) -> dict[str, float]:
    nothing = {"inference_s": 0.0, "began_s": 0.0, "ended_s": 0.0}
    found: dict[str, float] = job.details.get("inference", nothing)
    return found


def evaluating_s(jobs: Iterable[JobResult]) -> float:
    """Return the seconds of wall clock in which evaluations inferred, several at once counted once."""
    found = [one for one in map(_inference, jobs) if one["inference_s"]]
    spans = [(one["began_s"], one["ended_s"]) for one in found]
    share = sum(one["inference_s"] for one in found) / max(1e-9, sum(end - start for start, end in spans))
    return share * union(spans)


def union(spans: Iterable[Span]) -> float:
    """Return the seconds that at least one of the spans covers."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def inference_s(one: Mapping[str, Any]) -> float:
    """Return the seconds of the first run, the warm-up and the samples of a round."""
    return float(one["first_ms"] / 1e3 + (sum(one["warmup_ns"]) + sum(one["wall_ns"])) / 1e9)


def _naive(folder: Path) -> Cost:
    script = Path(__file__).with_name("naive_script.py")
    with locks.measuring():  # no harness works meanwhile
        wall, cpu = _timed([sys.executable, script, folder / "task.json"], folder / "naive.txt")
    return naive_cost(wall, cpu, json.loads((folder / "naive.txt").read_text().splitlines()[-1]))


def naive_cost(wall: float, cpu: float, parts: Parts) -> Cost:
    """Return the cost from the parts that the script noted: what it did not note is its start and end."""
    kept = {name: seconds for name, seconds in parts.items() if name != "inference"}
    return Cost(wall, cpu, parts["inference"], {**kept, "Python's start and end": wall - sum(parts.values())})


if __name__ == "__main__":
    sys.exit(main())
