"""A sweep that never ran, with the numbers and the failures of ones that did."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.codec import encode_record
from harness.records import Cell, Failure, Record, Value

QUANTS = ("none", "float16", "dynamic", "int8", "int8_only", "int16x8")
RUNTIMES = {"tflite": ("cpu", "xnnpack"), "onnx": ("onnxruntime",), "saved_model": ("tensorflow",)}
FAMILIES = {"mobilenet_v2": "mobilenet", "resnet50": "resnet", "resnet101": "resnet", "efficientnet_b0": "efficientnet"}
FLOAT_MS = {"mobilenet_v2": 9.1, "resnet50": 77.4, "resnet101": 151.2, "efficientnet_b0": 21.7}
SIZE = {"mobilenet_v2": 8_925_000, "resnet50": 94_370_000, "resnet101": 170_410_000, "efficientnet_b0": 16_100_000}
SPEED = {"none": 1, "float16": 1.02, "dynamic": 3.2, "int8": 3.5, "int8_only": 3.6, "int16x8": 0.04}
SHARE = {"none": 1.0, "float16": 0.5, "dynamic": 0.26, "int8": 0.27, "int8_only": 0.27, "int16x8": 0.28}
DELEGATE = {"cpu": 3.2, "xnnpack": 1.0, "onnxruntime": 1.1, "tensorflow": 1.7}
Change = Callable[[Record], Record]


def plain(
    model: str = "mobilenet_v2",
    quant: str = "int8",
    export: str = "tflite",
    runtime: str = "xnnpack",
    run: str = "r1",
    **values: Value,
) -> Record:
    """Return the record of a cell that went all the way; ``values`` replace its own, None takes one away."""
    cell = Cell(model, FAMILIES.get(model, "custom"), quant, export, runtime, 1, "digits")
    p50 = FLOAT_MS.get(model, 5.0) / SPEED[quant] * DELEGATE[runtime]
    facts: dict[str, Value] = {
        "top1": 0.9722, "top5": 1.0, "images": 360, "top1_drop": 0.0028, "mcnemar_p": 1.0, "agreement": 0.9972,
        "cosine": 0.99995 if quant in ("none", "float16", "int16x8") else 0.9957, "sqnr_db": 45.2,
        "max_abs_error": 0.0713,
        "latency_min_ms": p50 * 0.97, "latency_p50_ms": p50, "latency_p90_ms": p50 * 1.06,
        "latency_ci_low_ms": p50 * 0.99, "latency_ci_high_ms": p50 * 1.02, "clean_fraction": 0.91,
        "size_bytes": int(SIZE.get(model, 10**6) * SHARE[quant]), "float_ops": 0, "input_shape": "32x32x3",
        "int8_mac_share": 1.0 if quant.startswith("int8") else 0.0, "unsteady": False, "per_channel": True,
    }  # fmt: skip
    if export == "tflite":
        facts |= {"partitions": 1, "undelegated_ops": 0}
    if quant != "none":
        facts |= {"speedup_vs_float": SPEED[quant], "speedup_vs_float_ci_low": SPEED[quant] * 0.98}
        facts |= {"speedup_vs_float_ci_high": SPEED[quant] * 1.02}
    facts |= values
    missing = {"sparsity": "not pruned", "latency_p99_ms": "212 samples, 662 needed"}
    missing |= {} if export == "onnx" else {"opset": "not an ONNX model"}
    return Record(
        version=1, run=run, cell=cell, key="0" * 16, status="ok", stage="latency", failure=None,
        options={"quant": {"method": "ptq", "scheme": quant}},
        values={name: value for name, value in facts.items() if value is not None},
        missing=missing | {name: f"no {name} here" for name, value in facts.items() if value is None},
        details={}, artifact="cache/ab/model.tflite", artifact_sha256="ab" * 32, fingerprint="f00d",
        reproduce=f"python -m harness repro {run} {cell.id}", logs={}, started_at="2026-11-22T20:15:00+00:00",
        seconds=12.5,
    )  # fmt: skip


def stopped(record: Record, status: str, stage: str, reason: str, message: str, error: str = "RuntimeError") -> Record:
    """Return the record of the same cell when it stopped."""
    failure = Failure(status, stage, reason, error, message, log_tail=f"log of {stage}\n{message}")  # type: ignore[arg-type]
    kept = {"unsupported": {}}.get(status, {"input_shape": record.values["input_shape"]})
    missing = {name: f"{status} at {stage}: {reason}" for name in record.values if name not in kept}
    return replace(record, status=status, stage=stage, failure=failure, values=kept, missing=missing,
                   artifact=None, artifact_sha256=None)  # type: ignore[arg-type]  # fmt: skip


def _happened(record: Record) -> Record:
    """Return what really happened to some of the cells."""
    c = record.cell
    if c.quant != "none" and c.export != "tflite":
        message = f"{c.quant} is made by the TFLite converter; {c.export} takes the float model"
        return stopped(record, "unsupported", "quantize", "no_such_form", message, "Unsupported")
    if (c.model, c.quant) == ("mobilenet_v2", "int16x8"):
        message = "no_integer_overflow_from_quantization was not true.\nNode 4 (DEPTHWISE_CONV_2D) failed to prepare."
        return stopped(record, "failed", "load", "allocate_tensors", message)
    if (c.model, c.export) == ("resnet101", "onnx"):
        return stopped(record, "out_of_memory", "export", "memory_limit", "killed at 6.0 GiB of 6.0 GiB", "SIGKILL")
    if (c.model, c.quant) == ("efficientnet_b0", "int8_only"):
        return stopped(record, "failed", "audit", "float_ops", "float op MUL 'block2a_se/mul'; float op ADD 'top/add'")
    if (c.model, c.quant, c.runtime) == ("efficientnet_b0", "float16", "xnnpack"):
        return stopped(record, "crashed", "run", "signal_11", "the worker died with SIGSEGV", "SIGSEGV")
    if (c.model, c.quant) == ("efficientnet_b0", "int8"):
        return replace(record, values=record.values | {"cosine": 0.912, "top1": 0.9111, "agreement": 0.92})
    if (c.model, c.quant, c.runtime) == ("mobilenet_v2", "dynamic", "xnnpack"):
        slow = float(record.values["latency_p50_ms"] or 0) * 3.2  # type: ignore[arg-type]
        return replace(record, values=record.values | {"latency_p50_ms": slow, "partitions": 18, "undelegated_ops": 17})
    if (c.model, c.quant, c.runtime) == ("resnet50", "none", "tensorflow"):
        noisy = Failure("noisy", "latency", "noisy", "Noisy", "only 0.31 of the samples ran undisturbed")
        return replace(record, status="noisy", failure=noisy, values=record.values | {"clean_fraction": 0.31})
    return record


def sweep(run: str = "r1") -> list[Record]:
    """Return 4 models × 6 quantizations × 3 exporters on all runtimes."""
    return [
        _happened(plain(model, quant, export, runtime, run))
        for model in FAMILIES
        for quant in QUANTS
        for export, runtimes in RUNTIMES.items()
        for runtime in runtimes
    ]


class Runs:
    """Writes and makes records; what the tests use."""

    plain = staticmethod(plain)
    stopped = staticmethod(stopped)
    sweep = staticmethod(sweep)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, records: Iterable[Record], run: str = "r1", environment: Any = None) -> Path:
        """Write a run's folder and return it."""
        folder = self._folder / run
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "records.jsonl").write_bytes(b"".join(encode_record(r) + b"\n" for r in records))
        known = {
            "machine": {"cpu": "x86-64, 2 cores", "governor": None, "memory_bytes": 16 * 2**30},
            "cpu_flags": ["avx2", "avx512_vnni", "fma"],
            "load_average": [0.1, 0.2, 0.1],
            "python": "3.11.9",
            "packages": {"tensorflow": "2.21.0", "ai-edge-litert": "2.3.0", "onnxruntime": "1.32.0"},
        }
        (folder / "environment.json").write_text(json.dumps(known if environment is None else environment))
        return folder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return the factory of records and run folders."""
    return Runs(tmp_path / "results")


@pytest.fixture
def swept(runs: Runs) -> Path:
    """Return the folder of a whole sweep."""
    return runs.write(sweep())
