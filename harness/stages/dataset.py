"""Stage ``dataset``: the images of a task at one size, as ``.npy`` files for all other stages."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UserError, did_you_mean
from harness.records import Job
from harness.stages.contract import Outcome, Reporter
from zoo.dataset import Dataset, Split, write
from zoo.errors import ZooError

KINDS = ("digits", "photos", "imagefolder", "imagenet")


def run(job: Job, report: Reporter) -> Outcome:
    """Write ``eval_``, ``calibration_`` and, where there are any, ``train_`` images and labels.

    Options: ``task`` (all its fields), ``size`` (pixels a side, or None for a custom model's own),
    ``channels``, ``seed``, ``model`` (fields of a custom model, or None).

    Raises:
        UserError: the data are not there, or cannot be used; the message says what to do.
    """
    report.stage("source")
    options = job.options
    try:
        shape = _shape(options)
        dataset = _load(options, shape)
        counts = _write(dataset, Path(job.out), shape, report)
    except ZooError as error:
        raise UserError(str(error)) from error
    return Outcome(
        values={"task_classes": dataset.classes, "skipped_images": len(dataset.skipped), **counts},
        details={"skipped": dataset.skipped},
    )


def _shape(options: dict[str, Any]) -> tuple[int, int, int]:
    """Height, width and channels; a custom model's file is asked for what is not given."""
    size, channels = options.get("size"), options.get("channels")
    if options.get("model") is not None:
        from zoo.custom import image_shape

        return image_shape(options["model"], size)
    if not size:
        raise UserError("the image size is not known: set model.<name>.input_size=<pixels>")
    return int(size), int(size), int(channels or 3)


def _load(options: dict[str, Any], shape: tuple[int, int, int]) -> Dataset:
    task = options["task"]
    kind = task["kind"]
    if kind not in KINDS:
        raise UserError(f"task.kind: '{kind}' is unknown; {did_you_mean(kind, KINDS)}")
    module = importlib.import_module(f"zoo.data.{kind}")
    dataset: Dataset = module.load(task, shape, int(options["seed"]))
    # a custom model is used as it is: nobody needs the training images
    return dataset if options.get("model") is None else replace(dataset, train=None)


def _write(
    dataset: Dataset, out: Path, shape: tuple[int, int, int], report: Reporter
) -> dict[str, float | int | str | bool | None]:
    splits: dict[str, Split | None] = {
        "train": dataset.train,
        "calibration": dataset.calibration,
        "eval": dataset.evaluation,
    }
    counts: dict[str, float | int | str | bool | None] = {}
    for index, (name, split) in enumerate(splits.items()):
        if split is not None:
            report.progress(index / 3, f"{name} images")
            keeps_labels = dataset.labelled and name != "calibration"
            labels = out / f"{name}_labels.npy" if keeps_labels else None
            counts[f"{name}_images"] = write(split, out / f"{name}_images.npy", labels, shape)
    if not counts["eval_images"]:
        raise ZooError(f"task={dataset.name}: no readable image for evaluation")
    facts = {
        "name": dataset.name,
        "classes": dataset.classes,
        "class_names": dataset.class_names,
        "labelled": dataset.labelled,
        "skipped": dataset.skipped,
    }
    (out / "dataset.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return counts
