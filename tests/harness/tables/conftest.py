"""Records of cells that went all the way or stopped, and run folders of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.codec import encode_record
from harness.records import Cell, Failure, Record, Value

GOOD: dict[str, Value] = {
    "top1": 0.97, "top1_drop": 0.01, "mcnemar_p": 0.3, "agreement": 0.99, "cosine": 0.999, "sqnr_db": 30.0,
    "int8_mac_share": 1.0, "float_ops": 0, "latency_p50_ms": 2.5, "size_bytes": 2_400_000, "images": 360,
    "input_shape": "32x32x3",
}  # fmt: skip


def made(quant: str = "int8", run: str = "r1", **values: Value) -> Record:
    cell = Cell("mobilenet_v2", "mobilenet", quant, "tflite", "xnnpack", 1, "digits")
    facts = GOOD | values
    return Record(
        version=1, run=run, cell=cell, key="k", status="ok", stage="latency", failure=None,
        options={"quant": {"method": "ptq", "scheme": quant, "deny_ops": []}},
        values={k: v for k, v in facts.items() if v is not None}, missing={"sparsity": "not pruned"}, details={},
        artifact="cache/model.tflite", artifact_sha256="ab", fingerprint="f00d", reproduce="python -m harness repro …",
        logs={}, started_at="2026-11-22T20:15:00+00:00", seconds=1.5,
    )  # fmt: skip


def stopped(status: str, message: str = "no such op") -> Record:
    failure = Failure(status, "export", "converter_error", "ValueError", message)  # type: ignore[arg-type]
    return replace(made(), status=status, stage="export", failure=failure, values={}, artifact=None)  # type: ignore[arg-type]


def written(folder: Path, *records: Record, tail: bytes = b"") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.jsonl").write_bytes(b"".join(encode_record(r) + b"\n" for r in records) + tail)
    return folder


def other(record: Record, **cell: Any) -> Record:
    return replace(record, cell=replace(record.cell, **cell))
