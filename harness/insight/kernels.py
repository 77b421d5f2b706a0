"""Facts about the kernel of an operator: its range, its scales, and how far its channels are apart."""

from __future__ import annotations

import numpy as np

from harness.graph.model import Graph, Node, Tensor
from harness.graph.ops import MAC_OPS

FIELDS = ("weight_scale_min", "weight_scale_max", "weight_min", "weight_max", "channel_spread")


def facts(graph: Graph, node: Node) -> dict[str, float | None]:
    """Return the fields of ``errors.Layer`` about a kernel; empty for an operator that has none."""
    op = MAC_OPS.get(node.op)
    tensor = graph.tensor(node.inputs, op.weight) if op else None
    tensor = _stored(graph, node, op.weight) if op and tensor is not None and not tensor.constant else tensor
    if tensor is None or tensor.data is None or tensor.data.shape != tensor.shape or not tensor.data.size:
        return {}
    axis = tensor.quantized_dimension if len(tensor.scales) > 1 else _channels(node.op)
    real = _real(tensor)
    others = tuple(one for one in range(real.ndim) if one != axis % real.ndim)
    largest = np.abs(real).max(axis=others)
    least = float(largest[largest > 0].min(initial=np.inf))
    return {
        "weight_scale_min": min(tensor.scales, default=None),
        "weight_scale_max": max(tensor.scales, default=None),
        "weight_min": float(real.min()),
        "weight_max": float(real.max()),
        "channel_spread": float(largest.max() / least) if np.isfinite(least) else None,
    }


def _stored(graph: Graph, node: Node, position: int) -> Tensor | None:
    """Return the constant behind a DequantizeLinear."""
    before = graph.producers.get(node.inputs[position])
    return graph.tensor(before.inputs, 0) if before is not None and before.op == "DequantizeLinear" else None


def _channels(op: str) -> int:
    """Return the axis of the output channels of a kernel."""
    return -1 if op in ("DEPTHWISE_CONV_2D", "MatMul", "Gemm") else 0


def _real(tensor: Tensor) -> np.ndarray:
    assert tensor.data is not None
    data = tensor.data.astype(np.float64)
    if not tensor.scales:
        return data
    shape = [1] * data.ndim
    shape[tensor.quantized_dimension if len(tensor.scales) > 1 else 0] = len(tensor.scales)
    real: np.ndarray = (data - np.reshape(tensor.zero_points, shape)) * np.reshape(tensor.scales, shape)
    return real
