"""Stage ``source``: one float model, saved once for all variants, and its outputs on the eval images."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.records import Job, Value
from harness.stages.contract import Outcome, Reporter
from zoo.errors import ZooError
from zoo.network import Network

TRAINED_KINDS = ("digits", "imagefolder")


def run(job: Job, report: Reporter) -> Outcome:
    """Build, train or load a model; write it, ``reference.npz`` and ``source.json``.

    Options: ``model`` (name and all its fields), ``task`` (all its fields), ``size``, ``seed``.
    Inputs: ``dataset``.

    Raises:
        UserError: weights or a file are missing or cannot be used; the message says what to do.
    """
    report.stage("source")
    try:
        return _run(job, report)
    except ZooError as error:
        raise UserError(str(error)) from error


def _run(job: Job, report: Reporter) -> Outcome:
    from zoo import network as networks
    from zoo import saved_model

    data, out = Path(job.inputs["dataset"]), Path(job.out)
    model, task = job.options["model"], job.options["task"]
    dataset: dict[str, Any] = json.loads((data / "dataset.json").read_text())
    images: NDArray[np.uint8] = np.load(data / "eval_images.npy", mmap_mode="r")
    values: dict[str, Value] = {}
    if model["source"] == "custom":
        network = _custom(model, images.shape[1:])
    else:
        network = _zoo(job.options, data, dataset["classes"], report, values)
    report.progress(0.9, "saving")
    shapes = saved_model.save(network, out / "saved_model")
    if network.keras is not None:
        network.keras.save(out / "model.keras")
    report.progress(0.95, "reference outputs")
    reference = networks.predict(network, images, model["preprocessing"])
    networks.save_outputs(out / "reference.npz", reference)
    facts = _facts(network, shapes, model["preprocessing"], dataset)
    (out / "source.json").write_text(json.dumps(facts, indent=2) + "\n")
    values |= {"parameters": facts["parameters"], "weights_bytes": facts["weights_bytes"]}
    missing = _score(data, facts, reference, values)
    if task["kind"] == "imagenet" and "source_top1" in values:
        _gate(model, task, len(images), values, missing)
    return Outcome(values, missing)


def _custom(model: dict[str, Any], shape: tuple[int, ...]) -> Network:
    from zoo import custom

    return custom.load(model, (shape[0], shape[1], shape[2]))


def _zoo(options: dict[str, Any], data: Path, classes: int, report: Reporter, values: dict[str, Value]) -> Network:
    """Build by name; then ImageNet weights, training, or random weights with live statistics."""
    import tensorflow as tf

    from zoo import architectures, network, random_weights

    model, task = options["model"], options["task"]
    images = np.load(data / "calibration_images.npy", mmap_mode="r")
    shape = images.shape[1:]
    tf.keras.utils.set_random_seed(int(options["seed"]))
    if task["kind"] == "imagenet":
        weights = _weights(task.get("weights"), model["name"])
        return network.from_keras(architectures.build_imagenet(model["architecture"], shape, weights), shape)
    keras = architectures.build(model["architecture"], shape, classes)
    if task["kind"] in TRAINED_KINDS:
        _train(keras, options, data, report, values)
    else:
        random_weights.enliven(keras, images, model["preprocessing"])
    return network.from_keras(keras, shape)


def _train(keras: Any, options: dict[str, Any], data: Path, report: Reporter, values: dict[str, Value]) -> None:
    from zoo import training

    model, task = options["model"], options["task"]
    settings = training.Settings(
        epochs=int(model["training"]["epochs"]),
        learning_rate=float(model["training"]["learning_rate"]),
        target=float(task.get("target") or 1.0),
        seed=int(options["seed"]),
    )

    def progress(epoch: int, cap: int, top1: float) -> None:
        report.progress(0.9 * epoch / cap, f"epoch {epoch}/{cap}, held-out top-1 {top1:.3f}")

    images = np.load(data / "train_images.npy", mmap_mode="r")
    labels = np.load(data / "train_labels.npy")
    started = time.monotonic()
    done = training.train(keras, images, labels, model["preprocessing"], settings=settings, progress=progress)
    values["source_seconds_train"] = time.monotonic() - started
    values["source_epochs"] = done.epochs
    values["source_held_out_top1"] = done.held_out_top1[-1]


def _weights(setting: str | None, name: str) -> Path | None:
    """The local weights file that ``task.weights`` means: a file, or ``<name>.h5`` in a folder."""
    if setting in (None, "imagenet"):
        return None
    path = Path(str(setting)).expanduser()
    return path / f"{name}.h5" if path.is_dir() else path


def _facts(network: Network, shapes: dict[str, tuple[int, ...]], mode: str, dataset: dict[str, Any]) -> dict[str, Any]:
    primary, classes = _primary(shapes, dataset["classes"] if dataset["labelled"] else None)
    return {
        "input": {"name": network.input_name, "shape": [1, *network.shape]},
        "outputs": [{"name": name, "shape": list(shape)} for name, shape in shapes.items()],
        "classes": classes,
        "preprocessing": mode,
        "parameters": network.parameters,
        "weights_bytes": network.weights_bytes,
        "primary": primary,
    }


def _primary(shapes: dict[str, tuple[int, ...]], classes: int | None) -> tuple[str, int | None]:
    """The output that classifies, and its number of classes; None when none fits the task's labels."""
    flat = {name: shape[1] for name, shape in shapes.items() if len(shape) == 2}
    fitting = [name for name, width in flat.items() if classes in (None, width)]
    if fitting:
        return fitting[0], flat[fitting[0]]
    return next(iter([*flat, *shapes])), None


def _score(
    data: Path, facts: dict[str, Any], reference: dict[str, NDArray[np.float32]], values: dict[str, Value]
) -> dict[str, str]:
    """Add float top-1 (0…1) to ``values``, or return why there is none."""
    labels = data / "eval_labels.npy"
    if not labels.exists():
        return {"source_top1": "the task has no labels"}
    if facts["classes"] is None:
        return {"source_top1": "no output has as many classes as the task"}
    hits = reference[facts["primary"]].argmax(axis=1) == np.load(labels)
    values["source_top1"] = float(hits.mean())
    return {}


def _gate(
    model: dict[str, Any],
    task: dict[str, Any],
    images: int,
    values: dict[str, Value],
    missing: dict[str, str],
) -> None:
    """Add ``baseline_off``: float top-1 is further from the published figure than margin and chance explain.

    ``task.baseline_margin`` is in points; two standard errors of so few images come on top.
    """
    published = (model.get("published") or {}).get("top1")
    if published is None:
        missing["baseline_off"] = "no published top-1 for this model"
        return
    low, high = (published + shift for shift in _shifts(task))
    chance = 200 * (published / 100 * (1 - published / 100) / images) ** 0.5
    margin = float(task["baseline_margin"]) + chance
    found = 100 * float(values["source_top1"] or 0)
    values["published_top1"] = published / 100
    values["baseline_off"] = not low - margin <= found <= high + margin


def _shifts(task: dict[str, Any]) -> tuple[float, float]:
    """Points by which the task's images are harder than those of the published figures.

    ImageNet-V2: 11 to 14 (Recht et al., "Do ImageNet Classifiers Generalize to ImageNet?", 2019).
    """
    return (-14.0, -11.0) if task.get("dataset") == "imagenet_v2" and not task.get("path") else (0.0, 0.0)
