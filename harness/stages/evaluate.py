"""Stage ``evaluate``: run the artifact on the task's images, hold it against the float model and the labels."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import StageFailed
from harness.metrics import accuracy, fidelity
from harness.records import Job, Value
from harness.runtimes.contract import Elsewhere, FloatArray, Session
from harness.stages import opening
from harness.stages.contract import Outcome, Reporter

FEWEST_IMAGES = 4
"""Images that are run however long they take."""
Span = tuple[float, float]
"""Start and end of one run, seconds of the machine's monotonic clock."""
COVERAGE_COLUMNS = ("delegate_applied", "partitions", "undelegated_ops")
FUSION_COLUMNS = ("integer_convs", "float_convs", "inserted_transposes", "int8_sums")
TRAINED_COLUMNS = ("trained_agreement", "trained_max_abs_error", "trained_top1", "trained_top1_drop")
CONVERTED_COLUMNS = ("converted_agreement", "converted_max_abs_error", "converted_max_steps")
ORIGINALS = {"tflite": ("litert", {"delegate": "xnnpack"})}
"""Format → the runtime, and its options, in which the file that an artifact was converted from is run.

XNNPACK, because it rescales in float as ONNX Runtime does, to the same bits; LiteRT's built-in kernels round their own
way and differ from both."""
UNITS: dict[str, str] = {
    "batch": "images",
    "integer_convs": "count",
    "float_convs": "count",
    "inserted_transposes": "count",
    "int8_sums": "native, exact or saturating",
    "converted_agreement": "fraction of images",
    "converted_max_abs_error": "as the output",
    "converted_max_steps": "quantization steps of the output",
    "delegate_applied": "bool",
    "partitions": "count",
    "undelegated_ops": "count",
    "trained_agreement": "fraction of images",
    "trained_max_abs_error": "as the output",
    "trained_top1": "fraction of images",
    "trained_top1_drop": "fraction of images",
}


@dataclass(slots=True)
class Found:
    """What the parts of this stage add to its outcome."""

    values: dict[str, Value] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def run(job: Job, report: Reporter) -> Outcome:
    """Run, compare with ``reference.npz``, compare with the labels; write ``predictions.npz``.

    Options: ``runtime``, ``threads``, ``measure`` (``max_images``, ``evaluate_cap_s``), ``artifact_sha256``.
    Inputs: ``artifact``, ``quantized``, ``source``, ``dataset``.

    Raises:
        StageFailed: ``damaged_artifact`` at load; ``non_finite`` or ``output_batch`` at run; ``lost_names``
            or ``output_shape`` at fidelity.
        Unsupported: the runtime cannot run it so.
    """
    report.stage("load")
    subject = opening.subject(job)
    images, info = opening.images(job), opening.source_info(job)
    session = subject.open()
    found = Found({"batch": subject.batch})
    _coverage(session, job.options["runtime"]["method"], found)
    elsewhere: Elsewhere | None = getattr(session, "elsewhere", None)
    if elsewhere is not None:
        found.details["runtime_versions"] = dict(elsewhere.versions)
    report.stage("run")
    order = sample(len(images), job.options["measure"]["max_images"])
    cap_s = float(job.options["measure"]["evaluate_cap_s"])
    outputs, spans = _run_all(session, images, Work(order, subject.batch, cap_s), report)
    found.details["inference"] = _inference(spans)
    indices = order[: len(next(iter(outputs.values())))]
    found.values["images"] = len(indices)
    report.stage("fidelity")
    reference = _reference(Path(job.inputs["source"]), indices)
    _fidelity(outputs, reference, info["primary"], indices, found)
    report.stage("accuracy")
    _accuracy(job, outputs[info["primary"]], reference[info["primary"]], indices, found)
    _trained(job, outputs[info["primary"]], info["primary"], indices, found)
    _converted(job, outputs[info["primary"]], Original(images, indices, info["primary"], cap_s), found)
    return Outcome(found.values, found.missing, found.details)


def sample(total: int, wanted: int | None) -> NDArray[np.intp]:
    """Return the positions of the images to run, in the order to run them: the same for every cell of a task.

    Shuffled with a fixed seed, because folders of images are sorted by class and any beginning of the order
    may be all that time allows.
    """
    order = np.random.default_rng(0).permutation(total)
    return order if wanted is None else order[:wanted]


def _coverage(session: Session, method: str, found: Found) -> None:
    """Book what the delegate covers, or why there is nothing to say."""
    coverage = session.coverage()
    if not coverage:
        coverage = {"reason": f"{method} runs here without a delegate"}
    for column in COVERAGE_COLUMNS:
        if column in coverage:
            found.values[column] = coverage[column]
        else:
            found.missing[column] = coverage.get("reason", "the runtime does not say")
    for column in FUSION_COLUMNS:
        if column in coverage:
            found.values[column] = coverage[column]
        else:
            found.missing[column] = f"{method} does not show the graph that it runs"
    found.details |= {name: coverage[name] for name in ("undelegated", "optimized_ops") if name in coverage}


@dataclass(frozen=True, slots=True)
class Work:
    """Which images to run, how many at once, and when to stop."""

    order: NDArray[np.intp]
    batch: int
    cap_s: float


def _run_all(
    session: Session,
    images: opening.Images,
    work: Work,
    report: Reporter,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, FloatArray], list[Span]]:
    """Return output name → (n, …) for the first n images of the order, n as many as time allows; and when it ran."""
    parts: dict[str, list[FloatArray]] = defaultdict(list)
    spans: list[Span] = []
    start, done = clock(), 0
    while done < len(work.order):
        if done >= FEWEST_IMAGES and clock() - start >= work.cap_s:
            break
        chosen = work.order[done : done + work.batch]
        pixels = images.take(chosen)
        began_s = time.monotonic()
        results = session.run(pixels)
        spans.append((began_s, time.monotonic()))
        for name, value in results.items():
            _require_finite(name, value, int(chosen[0]))
            parts[name].append(value)
        done += len(chosen)
        report.progress(done / len(work.order), f"{done} images")
    return {name: np.concatenate(values) for name, values in parts.items()}, spans


def _inference(spans: list[Span]) -> dict[str, float]:
    """Return how long the runtime ran in all, and from when to when on the machine's monotonic clock; seconds."""
    return {
        "inference_s": sum(end - start for start, end in spans),
        "began_s": spans[0][0],
        "ended_s": spans[-1][1],
    }


def _require_finite(name: str, value: FloatArray, image: int) -> None:
    bad = value.size - int(np.isfinite(value).sum())
    if bad:
        message = f"output '{name}' has {bad} of {value.size} values NaN or infinite on image {image}"
        raise StageFailed(message, "non_finite")


def _reference(source: Path, indices: NDArray[np.intp]) -> dict[str, FloatArray]:
    with np.load(source / "reference.npz", allow_pickle=False) as stored:
        return {name: stored[name][indices] for name in stored.files}


def _fidelity(
    outputs: Mapping[str, FloatArray],
    reference: Mapping[str, FloatArray],
    primary: str,
    indices: NDArray[np.intp],
    found: Found,
) -> None:
    if sorted(outputs) != sorted(reference):
        raise StageFailed(f"outputs {sorted(outputs)}, the float model has {sorted(reference)}", "lost_names")
    for name, value in outputs.items():
        if value.shape != reference[name].shape:
            message = f"output '{name}' has shape {value.shape}, the float model {reference[name].shape}"
            raise StageFailed(message, "output_shape")
    values, missing, details = fidelity.compare(outputs, reference, primary)
    for one in details["outputs"].values():
        one["worst_image"] = int(indices[one["worst_image"]])
    found.values |= values
    found.missing |= missing
    found.details["fidelity"] = details["outputs"]


def _accuracy(job: Job, scores: FloatArray, reference: FloatArray, indices: NDArray[np.intp], found: Found) -> None:
    """Book accuracy where the task has labels that the primary output can be held against."""
    dataset = opening.read_json(Path(job.inputs["dataset"], "dataset.json"))
    reason = _no_accuracy(dataset, scores)
    if reason:
        found.missing |= dict.fromkeys(accuracy.COLUMNS, reason)
    if scores.ndim != 2:
        return
    predictions = accuracy.best(scores)
    arrays: dict[str, Any] = {"image": indices.astype(np.int32)}
    arrays |= {"classes": predictions.classes, "scores": predictions.scores}
    if not reason:
        stored = np.load(Path(job.inputs["dataset"], "eval_labels.npy"), allow_pickle=False)
        labels = stored[indices].astype(np.int32)
        values, missing = accuracy.measure(predictions, accuracy.best(reference), labels, int(dataset["classes"]))
        found.values |= values
        found.missing |= missing
        arrays |= {"labels": labels, "correct": predictions.classes[:, 0] == labels}
    np.savez_compressed(Path(job.out, "predictions.npz"), **arrays)


def _trained(job: Job, scores: FloatArray, primary: str, indices: NDArray[np.intp], found: Found) -> None:
    """Hold the artifact against the model that a quantizer trained: what conversion and kernels make of it."""
    file = Path(job.inputs["quantized"], "reference.npz")
    if not file.is_file() or scores.ndim != 2:
        reason = "the method trains no model of its own" if not file.is_file() else "the primary output is no list"
        found.missing |= dict.fromkeys(TRAINED_COLUMNS, reason)
        return
    trained = _reference(file.parent, indices)[primary]
    found.values["trained_agreement"] = float((scores.argmax(1) == trained.argmax(1)).mean())
    found.values["trained_max_abs_error"] = float(np.abs(scores - trained).max())
    if "top1" in found.missing:
        found.missing |= dict.fromkeys(TRAINED_COLUMNS[2:], found.missing["top1"])
        return
    labels = np.load(Path(job.inputs["dataset"], "eval_labels.npy"), allow_pickle=False)[indices]
    top1 = float((trained.argmax(1) == labels).mean())
    found.values |= {"trained_top1": top1, "trained_top1_drop": top1 - float(found.values["top1"] or 0)}


@dataclass(frozen=True, slots=True)
class Original:
    """What is asked of the file that an artifact was converted from."""

    images: opening.Images
    indices: NDArray[np.intp]
    primary: str
    cap_s: float


def _converted(job: Job, scores: FloatArray, asked: Original, found: Found) -> None:
    """Hold an artifact against the file that it was converted from: what this one conversion changed."""
    if "converted_from" not in job.inputs:
        found.missing |= dict.fromkeys(CONVERTED_COLUMNS, "it was not converted from another artifact")
        return
    session, step = opening.original(job, ORIGINALS, asked.primary)
    start = time.monotonic()
    parts: list[FloatArray] = []
    for index in asked.indices:
        if len(parts) >= FEWEST_IMAGES and time.monotonic() - start >= asked.cap_s:
            break
        parts.append(session.run(asked.images.take(np.array([index])))[asked.primary])
    before, after = np.concatenate(parts), scores[: len(parts)]
    worst = float(np.abs(after - before).max())
    found.values |= {"converted_max_abs_error": worst}
    if step:
        found.values["converted_max_steps"] = round(worst / step, 2)
    else:
        found.missing["converted_max_steps"] = "the output is not quantized"
    agreed = fidelity.agreement(after, before)
    if agreed is None:
        found.missing["converted_agreement"] = "the primary output is one number"
    else:
        found.values["converted_agreement"] = agreed


def _no_accuracy(dataset: Mapping[str, Any], scores: FloatArray) -> str | None:
    """Say why there is no accuracy, None when there is."""
    if not dataset["labelled"]:
        return f"task {dataset['name']} has no labels"
    if scores.ndim != 2 or scores.shape[1] != dataset["classes"]:
        shape = "×".join(str(size) for size in scores.shape[1:])
        return f"the primary output has {shape} values an image, the task has {dataset['classes']} classes"
    return None
