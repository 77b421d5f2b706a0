"""The table of quantized tensors: what each number of an artifact stands for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.graph.model import BYTES, Graph, Tensor
from harness.graph.ops import MAC_OPS

Role = Literal["input", "output", "weight", "bias", "constant", "activation"]

_LIMITS = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}


@dataclass(frozen=True, slots=True)
class TensorRange:
    """One quantized tensor: ``real = scale * (stored - zero_point)``."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    role: Role
    granularity: Literal["per_tensor", "per_channel"]
    quantized_dimension: int | None
    """None when per-tensor."""
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    narrow_range: bool | None
    """8-bit weights: True when symmetric and the lowest number (-128) is never used. None: biases."""
    range_min: float
    """Lowest real value that the dtype can hold at this scale (over all channels)."""
    range_max: float
    value_min: float | None
    """Lowest real value stored; None unless constant."""
    value_max: float | None


def rows(graph: Graph) -> list[TensorRange]:
    """Return a row for every quantized tensor of ``graph``, in the file's order."""
    roles = _roles(graph)
    return [
        _row(tensor, roles.get(number, "constant" if tensor.constant else "activation"))
        for number, tensor in enumerate(graph.tensors)
        if tensor.scales and _limits(tensor.dtype) is not None
    ]


def write(graph: Graph, folder: Path) -> int:
    """Write ``tensors.json`` and ``tensors.csv`` to ``folder``; return the number of quantized tensors."""
    found = rows(graph)
    (folder / "tensors.json").write_text(json.dumps([asdict(row) for row in found]) + "\n", encoding="utf-8")
    (folder / "tensors.csv").write_text(to_csv(found), encoding="utf-8")
    return len(found)


def to_csv(found: list[TensorRange]) -> str:
    """Return the rows as CSV: lists joined by spaces, text that a spreadsheet could run made harmless."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(field.name for field in fields(TensorRange))
    for row in found:
        writer.writerow([_cell(getattr(row, field.name)) for field in fields(TensorRange)])
    return file.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return str(value)


def _roles(graph: Graph) -> Mapping[int, Role]:
    """Return tensor number → role; what a product multiplies with is a weight only when constant."""
    found: dict[int, Role] = {}
    for node in graph.nodes:
        op = MAC_OPS.get(node.op)
        if op is None:
            continue
        for position, role in ((op.data, "weight"), (op.weight, "weight"), (op.bias, "bias")):
            number = _stored(graph, node.inputs[position]) if position < len(node.inputs) else -1
            if number >= 0 and graph.tensors[number].constant:
                found[number] = "bias" if role == "bias" else "weight"
    found.update(dict.fromkeys(graph.inputs.values(), "input"))
    found.update(dict.fromkeys(graph.outputs.values(), "output"))
    return found


def _stored(graph: Graph, number: int) -> int:
    """Return the tensor that a DequantizeLinear in front of ``number`` reads, or ``number``."""
    producer = graph.producers.get(number)
    return producer.inputs[0] if producer is not None and producer.op == "DequantizeLinear" else number


def _limits(dtype: str) -> tuple[int, int] | None:
    if dtype in _LIMITS:
        return _LIMITS[dtype]
    if dtype.startswith(("int", "uint")):
        info = np.iinfo(dtype)
        return int(info.min), int(info.max)
    return None


def _row(tensor: Tensor, role: Role) -> TensorRange:
    lowest, highest = _limits(tensor.dtype) or (0, 0)
    narrow = _narrow(tensor, lowest)
    scales, zeros = np.array(tensor.scales), np.array(tensor.zero_points)
    values = _real(tensor)
    return TensorRange(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        role=role,
        granularity="per_channel" if len(tensor.scales) > 1 else "per_tensor",
        quantized_dimension=tensor.quantized_dimension if len(tensor.scales) > 1 else None,
        scale=tensor.scales,
        zero_point=tensor.zero_points,
        narrow_range=narrow,
        range_min=float(np.min((float(lowest + bool(narrow)) - zeros) * scales)),
        range_max=float(np.max((float(highest) - zeros) * scales)),
        value_min=None if values is None else float(values.min()),
        value_max=None if values is None else float(values.max()),
    )


def _narrow(tensor: Tensor, lowest: int) -> bool | None:
    if tensor.dtype not in BYTES:
        return None if tensor.constant else False
    if tensor.data is None:
        return None if tensor.constant else False
    symmetric = tensor.dtype.startswith("int") and not any(tensor.zero_points)
    return bool(symmetric and (tensor.data.size == 0 or tensor.data.min() > lowest))


def _real(tensor: Tensor) -> NDArray[np.float64] | None:
    """Return the stored values of a constant as real numbers, None without values or when stored sparsely."""
    if tensor.data is None or tensor.data.size == 0 or tensor.data.shape != tensor.shape:
        return None
    shape = [1] * tensor.data.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = len(tensor.scales)
    scales, zeros = np.reshape(tensor.scales, shape or ()), np.reshape(tensor.zero_points, shape or ())
    return np.asarray((tensor.data.astype(np.float64) - zeros) * scales)
