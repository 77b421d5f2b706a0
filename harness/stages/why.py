"""Stage ``why``: an artifact and the float artifact on the same images, value by value."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.insight.pairing import Comparison
from harness.records import Job
from harness.stages import opening
from harness.stages.contract import Outcome, Reporter

FORMATS = ("tflite", "onnx")


def run(job: Job, report: Reporter) -> Outcome:
    """Write ``why.json``: ``layers``, a list of ``errors.Layer``, and ``computed``, how many there could be.

    Options: ``images``, how many. Inputs: ``artifact`` and ``float`` (folders of exports), ``source``, ``dataset``.

    Raises:
        Unsupported: ``no_values``, for a format whose values cannot be read; ``no_common_value``.
    """
    report.stage("load")
    found = {name: _open(Path(job.inputs[name])) for name in ("artifact", "float")}
    images = opening.images(job)
    report.stage("run")
    comparison = Comparison(found["artifact"], found["float"])
    count = min(int(job.options["images"]), len(images))
    for position in range(count):
        comparison.add(images.take(np.array([position])))
        report.progress((position + 1) / count, f"{position + 1} images")
    layers, computed = comparison.layers(), comparison.computed()
    if not layers:
        raise Unsupported(f"none of its {computed} values has the name of one of the float model", "no_common_value")
    content = {"computed": computed, "layers": [asdict(one) for one in layers]}
    (Path(job.out) / "why.json").write_text(json.dumps(content))
    return Outcome({"images": count, "layers": len(layers)})


def _open(folder: Path) -> Any:
    about: dict[str, Any] = opening.read_json(folder / "artifact.json")
    if about["format"] not in FORMATS:
        raise Unsupported(f"values between layers can be read in {' and '.join(FORMATS)} files", "no_values")
    return importlib.import_module(f"harness.insight.{about['format']}").Values(folder / about["file"])
