"""What really happened to a model: what an artifact computes in which arithmetic, read from the file.

How many operators a delegate takes is known only to a live interpreter: see ``Session.coverage``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph import macs
from harness.graph.compute import arithmetic, is_float_compute
from harness.graph.model import BYTES, FLOATS, Graph, Node, Tensor
from harness.graph.ops import CONVERSIONS, MAC_OPS, UNCOUNTED
from harness.graph.read import read
from harness.records import Value

UNITS: dict[str, str] = {
    "macs": "multiply-adds",
    "int8_mac_share": "ratio",
    "int16_mac_share": "ratio",
    "hybrid_mac_share": "ratio",
    "float_mac_share": "ratio",
    "op_count": "count",
    "float_ops": "count",
    "hybrid_ops": "count",
    "flex_ops": "count",
    "custom_ops": "count",
    "input_dtype": "",
    "output_dtype": "",
    "per_channel": "",
    "opset": "",
    "weights_bytes": "bytes",
    "weights_int8_bytes": "bytes",
    "weights_float_bytes": "bytes",
    "sparsity": "ratio",
    "densify_ops": "count",
}
"""``float_ops`` counts all operators that compute in float, the ``hybrid_ops`` among them."""

_SHARES = ("int8", "int16", "hybrid", "float")


@dataclass(frozen=True, slots=True)
class Audit:
    """Columns, the reasons for the empty ones, and what is too large for a column."""

    values: dict[str, Value] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def measure(path: Path, format: str) -> Audit:
    """Read the artifact at ``path`` and audit it; raises as ``harness.graph.read.read`` does."""
    return audit(read(path, format))


def audit(graph: Graph) -> Audit:
    """Return every column of ``UNITS``, in ``values`` or in ``missing``.

    ``details`` holds ``ops`` (name → dtype → count), ``float_ops`` (as ``float_compute_ops`` gives them),
    ``macs`` (arithmetic → multiply-adds), ``sparsity`` (kernel → share of zeros), ``weights_bytes`` (dtype → bytes),
    ``flex_ops``, ``custom_ops`` and ``uncounted_ops`` (names of operators whose multiply-adds are not known here).
    """
    by_dtype = weights_bytes(graph)
    by_arithmetic, unknown = _macs(graph)
    values: dict[str, Value] = {
        "op_count": len(graph.nodes),
        "float_ops": sum(is_float_compute(graph, node) for node in graph.nodes),
        "hybrid_ops": sum(arithmetic(graph, node) == "hybrid" for node in graph.nodes),
        "flex_ops": sum(node.flex for node in graph.nodes),
        "custom_ops": sum(node.custom for node in graph.nodes),
        "densify_ops": sum(node.op == "DENSIFY" for node in graph.nodes),
        "input_dtype": _dtypes(graph, graph.inputs.values()),
        "output_dtype": _dtypes(graph, graph.outputs.values()),
        "weights_bytes": sum(by_dtype.values()),
        "weights_int8_bytes": sum(size for dtype, size in by_dtype.items() if dtype in BYTES),
        "weights_float_bytes": sum(size for dtype, size in by_dtype.items() if dtype in FLOATS),
    }
    missing: dict[str, str] = {}
    _put(values, missing, "opset", graph.opset, "not an ONNX model")
    _put(values, missing, "per_channel", per_channel(graph), "no quantized weights")
    _put(values, missing, "sparsity", sparsity(graph), "no weights whose values are in the file")
    _put_shares(values, missing, by_arithmetic, unknown)
    return Audit(values, missing, _details(graph, by_arithmetic, by_dtype, unknown))


def float_compute_ops(graph: Graph) -> list[str]:
    """Return a phrase for every operator that computes in float, such as ``float op CONV_2D 'x'``.

    Empty for an integer-only artifact. QUANTIZE, DEQUANTIZE and what only moves data do not count.
    """
    return [
        f"{'hybrid' if arithmetic(graph, node) == 'hybrid' else 'float'} op {node.op} '{node.name}'"
        for node in graph.nodes
        if is_float_compute(graph, node)
    ]


def per_channel(graph: Graph) -> bool | None:
    """Return whether any quantized kernel has a scale per channel, None when no kernel is quantized."""
    counts = [len(tensor.scales) for _, tensor in macs.kernels(graph) if tensor.scales]
    return any(count > 1 for count in counts) if counts else None


def sparsity(graph: Graph) -> float | None:
    """Return the share of exact zeros in the kernels of convolutions and dense layers, None without any."""
    kernels = [tensor for _, tensor in macs.kernels(graph) if tensor.data is not None and tensor.elements]
    elements = sum(tensor.elements or 0 for tensor in kernels)
    return sum(_zeros(tensor) for tensor in kernels) / elements if elements else None


def sparsity_by_kernel(graph: Graph) -> dict[str, float]:
    """Return kernel → share of exact zeros, for kernels with at least one in a hundred."""
    kernels = [tensor for _, tensor in macs.kernels(graph) if tensor.data is not None and tensor.elements]
    shares = {tensor.name: _zeros(tensor) / (tensor.elements or 1) for tensor in kernels}
    return {name: share for name, share in shares.items() if share >= 0.01}


def weights_bytes(graph: Graph) -> dict[str, int]:
    """Return dtype → bytes of all constants; bytes that several constants share are counted once."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    for tensor in graph.tensors:
        if tensor.constant and tensor.buffer not in seen:
            seen.add(tensor.buffer)
            found[tensor.dtype] += tensor.bytes
    return dict(found)


def _zeros(tensor: Tensor) -> int:
    """Return the elements that stand for 0; those that sparse storage leaves out are zeros too."""
    data: NDArray[Any] = np.zeros(0) if tensor.data is None else tensor.data
    zero_points: NDArray[Any] = np.array(tensor.zero_points or (0,))
    if zero_points.size > 1 and data.shape == tensor.shape:
        shape = [1] * data.ndim
        shape[tensor.quantized_dimension] = zero_points.size
        zero_points = zero_points.reshape(shape)
    else:
        zero_points = zero_points[:1]
    return max(0, (tensor.elements or 0) - int(np.count_nonzero(data != zero_points.astype(data.dtype))))


def _macs(graph: Graph) -> tuple[Counter[str], list[str]]:
    """Return multiply-adds by arithmetic, and the names of nodes whose shapes do not tell."""
    found: Counter[str] = Counter()
    unknown: list[str] = []
    for node in graph.nodes:
        count = macs.count(graph, node)
        if count is None:
            unknown.append(f"{node.op} '{node.name}'")
        elif count:
            found[arithmetic(graph, node)] += count
    return found, unknown


def _put_shares(
    values: dict[str, Value], missing: dict[str, str], by_arithmetic: Counter[str], unknown: list[str]
) -> None:
    total = sum(by_arithmetic.values())
    if unknown:
        reason = f"the file does not tell the shapes of {len(unknown)} operators, such as {unknown[0]}"
        missing.update(dict.fromkeys(["macs", *(f"{name}_mac_share" for name in _SHARES)], reason))
        return
    values["macs"] = total
    for name in _SHARES:
        share = by_arithmetic[name] / total if total else None
        _put(values, missing, f"{name}_mac_share", share, "no multiply-adds")


def _put(values: dict[str, Value], missing: dict[str, str], column: str, value: Value, reason: str) -> None:
    if value is None:
        missing[column] = reason
    else:
        values[column] = value


def _dtypes(graph: Graph, numbers: Iterable[int]) -> str:
    """Return the dtypes of inputs or outputs, each once: ``int8``, ``float32,int64``."""
    return ",".join(dict.fromkeys(graph.tensors[number].dtype for number in numbers))


def _details(graph: Graph, by_arithmetic: Counter[str], by_dtype: dict[str, int], unknown: list[str]) -> dict[str, Any]:
    ops: dict[str, Counter[str]] = {}
    for node in graph.nodes:
        ops.setdefault(node.op, Counter())[_label(graph, node)] += 1
    return {
        "ops": {op: dict(counts) for op, counts in sorted(ops.items())},
        "float_ops": float_compute_ops(graph),
        "macs": dict(by_arithmetic),
        "weights_bytes": by_dtype,
        "flex_ops": sorted({node.op for node in graph.nodes if node.flex}),
        "custom_ops": sorted({node.op for node in graph.nodes if node.custom}),
        "sparsity": sparsity_by_kernel(graph),
        "uncounted_ops": [*sorted({node.op for node in graph.nodes if node.op in UNCOUNTED}), *unknown],
    }


def _label(graph: Graph, node: Node) -> str:
    """Return a node's dtype: that of its output; of a conversion ``from→to``; a product ``data×weights``."""
    output = graph.tensor(node.outputs, 0)
    result = "none" if output is None else output.dtype
    if node.op in CONVERSIONS:
        source = graph.tensor(node.inputs, 0)
        return f"{'none' if source is None else source.dtype}→{result}"
    op = MAC_OPS.get(node.op)
    data = None if op is None else graph.tensor(node.inputs, op.data)
    weight = None if op is None else graph.tensor(node.inputs, op.weight)
    if data is not None and weight is not None and data.dtype != weight.dtype:
        return f"{data.dtype}×{weight.dtype}"
    return result
