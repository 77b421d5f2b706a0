"""export: a recipe and a model to one artifact, measured on disk and audited as what it claims to be."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

from harness import files, plugins
from harness.errors import StageFailed, Unsupported
from harness.exporters.contract import Artifact, Model
from harness.records import Job, Value
from harness.stages.contract import Outcome, Reporter


def run(job: Job, report: Reporter) -> Outcome:
    """Write the artifact and ``artifact.json`` into ``job.out``; size and audit are values."""
    report.stage("export")
    model, out = _model(job), Path(job.out)
    started = time.monotonic()
    artifact, fmt = _made(job, model, out)
    values: dict[str, Value] = {"convert_s": round(time.monotonic() - started, 3), **artifact.values}
    about = {"format": fmt, "file": artifact.file, "input": model.info["input"]["name"],
             "outputs": [o["name"] for o in model.info["outputs"]]}  # fmt: skip
    (out / "artifact.json").write_text(json.dumps(about, indent=1))
    report.stage("audit")
    audited = _audited(out, artifact.file, fmt, model, values)
    return replace(audited, details=artifact.details | audited.details)


def _made(job: Job, model: Model, out: Path) -> tuple[Artifact, str]:
    """Return the artifact and its format: from an exporter, or from a quantizer that rewrites what was exported."""
    own = job.options.get("plugins_dir")
    options = job.options["export"]
    exporter = plugins.load("exporters", options["method"], own)
    if "quant" in job.options:
        return plugins.load("quantizers", job.options["quant"]["method"], own).rewrite(model, out), exporter.FORMAT
    return exporter.export(model, plugins.options(exporter, options), out), exporter.FORMAT


def warm() -> None:
    """Import what most exports take longest to import."""
    import tensorflow  # noqa: F401


def _model(job: Job) -> Model:
    source, quantized = Path(job.inputs["source"]), Path(job.inputs["quantized"])
    own = quantized / "saved_model"
    return Model(
        saved_model=own if own.is_dir() else source / "saved_model",
        info=json.loads((source / "source.json").read_text()),
        recipe=json.loads((quantized / "quantized.json").read_text()),
        calibration=Path(job.inputs["dataset"]) / "calibration_images.npy",
        artifact=_artifact(job),
    )


def _artifact(job: Job) -> Path | None:
    """Return the file that was exported before, where the work starts from one."""
    if "artifact" not in job.inputs:
        return None
    folder = Path(job.inputs["artifact"])
    file: str = json.loads((folder / "artifact.json").read_text())["file"]
    return folder / file


INTEGER_ONLY = ("int8_only", "uint8_only")
"""Schemes that promise that nothing is computed in float."""


def _audited(out: Path, file: str, fmt: str, model: Model, values: dict[str, Value]) -> Outcome:
    """Add size, checksum and audit. Raises ``StageFailed`` for an integer-only artifact with a float op."""
    from harness.metrics import audit, size

    path = out / file
    values |= {"artifact_sha256": checksum(path), **size.measure(path)}
    try:
        found = audit.measure(path, fmt)
    except Unsupported as error:
        return Outcome(values, {name: str(error) for name in audit.UNITS if name not in values})
    values |= found.values
    details = found.details
    if values.get("input_dtype") not in (None, "float32") or model.recipe["scheme"] != "none":
        details |= _ranges(path, fmt, out, model, values)
    floats = found.details.get("float_ops", [])
    if model.recipe["scheme"] in INTEGER_ONLY and floats:
        shown = ", ".join(floats[:5]) + (f" and {len(floats) - 5} more" if len(floats) > 5 else "")
        raise StageFailed(f"{model.recipe['scheme']} computes in float: {shown}", "float_ops")
    return Outcome(values, {name: reason for name, reason in found.missing.items() if name not in values}, details)


def _ranges(path: Path, fmt: str, out: Path, model: Model, values: dict[str, Value]) -> dict[str, int]:
    """Write ``tensors.json`` and ``tensors.csv``; say whether the artifact takes image bytes as they are."""
    from harness.graph import ranges
    from harness.graph.raw_input import raw_bytes_input
    from harness.graph.read import read

    graph = read(path, fmt)
    first = graph.tensors[next(iter(graph.inputs.values()))]
    if first.scales:
        values["raw_bytes_input"] = raw_bytes_input(
            first.scales[0],
            first.zero_points[0],
            model.info["preprocessing"],
            first.dtype,
            (first.shape or (3,))[-1],
        )
    return {"quantized_tensors": ranges.write(graph, out)}


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and checksums of all files in a folder."""
    if path.is_file():
        return files.sha256(path)
    lines = [f"{files.sha256(f)}  {f.relative_to(path)}" for f in files.walk(path)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
