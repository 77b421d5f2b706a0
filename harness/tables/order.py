"""The one order of models, quantizations, exporters and runtimes in every table."""

from __future__ import annotations

import re

from harness.records import Cell, Record

QUANTS = (
    "none", "float16", "dynamic", "int8", "int8_only", "uint8_only", "int16x8", "ort_dynamic", "ort_static",
    "aeq_dynamic", "aeq_dynamic_dw", "aeq_int8",
    "qat_stock", "qat", "prune", "prune_xnnpack", "prune_int8", "prune_qat",
)  # fmt: skip
EXPORTS = ("tflite", "onnx", "onnx_qdq", "saved_model", "frozen_graph")
RUNTIMES = ("cpu", "xnnpack", "onnxruntime", "tensorflow")
Key = tuple[object, ...]


def place(name: str, known: tuple[str, ...]) -> Key:
    """Return a sort key: known names in their order, all others after them by the alphabet."""
    base = name.partition("@")[0]
    return (known.index(base), natural(name)) if base in known else (len(known), natural(name))


def natural(name: str) -> Key:
    """Return a sort key that puts ``resnet50`` before ``resnet101``."""
    parts = re.split(r"(\d+)", name)
    keys = ((int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts)
    return (*keys, (-2, name))


def model_key(cell: Cell) -> Key:
    """Return the sort key of a cell's model: family, then the name, then task and toolchain."""
    return (natural(cell.family), natural(cell.model), cell.task, cell.toolchain)


def column_key(quant: str, export: str) -> Key:
    """Return the sort key of a column of the support matrix: by exporter, then by quantization."""
    return (place(export, EXPORTS), place(quant, QUANTS))


def cell_key(cell: Cell) -> Key:
    """Return the sort key of a cell in any list of cells."""
    return (
        *model_key(cell),
        *column_key(cell.quant, cell.export),
        place(cell.runtime, RUNTIMES),
        cell.threads,
    )


def record_key(record: Record) -> Key:
    """Return the sort key of a record: its cell, then its run."""
    return (*cell_key(record.cell), record.run)
