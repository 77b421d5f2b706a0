"""Kernels that lie on an int8 grid become int8 numbers with a scale for each channel, their biases int32.

A model trained for int8 and exported as it stands holds float weights that are multiples of a scale, which no tool
makes use of: tf2onnx writes them as float32, four times the size, and leaves it to the runtime to guess the grid
anew. The scale of a channel is its largest weight / 127: training had put it there (``harness.qat.export``), and a
batch normalization that was folded into the kernel only multiplies it. What is no multiple stays float and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.qdq.graph import DEQUANTIZE, Names

LEVELS = 127
TOLERANCE = 0.02
"""In steps of the grid: what folding a batch normalization in float32 may move a weight."""
OPERATORS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Found:
    """How many kernels of which kind there are."""

    integer: int
    floating: tuple[str, ...]
    """Names of the nodes whose kernel is on no grid."""


def apply(model: Any) -> Found:
    """Change the model in place; return how many kernels are int8 now and which are not."""
    names = Names(model.graph)
    floating: list[str] = []
    integer = 0
    nodes: list[Any] = []
    for node in model.graph.node:
        if node.op_type in OPERATORS and names.value(node.input[1]) is not None:
            made = _quantize(node, names)
            integer += bool(made)
            floating += [] if made else [node.name or node.output[0]]
            nodes += made
        nodes.append(node)
    if integer:
        names.replace(nodes)
        names.tidy()
    return Found(integer, tuple(floating))


def _quantize(node: Any, names: Names) -> list[Any]:
    """Let a node read int8; return the nodes that dequantize for it, none when its kernel is on no grid."""
    kernel, axis = names.value(node.input[1]), channel_axis(node)
    if kernel is None or kernel.dtype != np.float32 or kernel.ndim < 2:
        return []
    found, step = on_grid(kernel, axis), _input_scale(node.input[0], names)
    if found is None or step is None:
        return []
    numbers, scales = found
    made = [_dequantized(node, 1, numbers, scales, axis, names)]
    bias = names.value(node.input[2]) if len(node.input) > 2 else None
    if bias is not None and bias.shape == scales.shape:
        steps = (scales.astype(np.float64) * step).astype(np.float32)
        limit = np.iinfo(np.int32)
        whole = np.clip(np.rint(bias.astype(np.float64) / steps), limit.min, limit.max)
        made.append(_dequantized(node, 2, whole.astype(np.int32), steps, 0, names))
    return made


def channel_axis(node: Any) -> int:
    """Return the axis of a node's kernel that its output channels lie along."""
    if node.op_type == "Conv":
        return 0
    transposed = any(one.name == "transB" and one.i for one in node.attribute)
    return 0 if transposed else 1


def on_grid(kernel: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """Return (int8 numbers, a float32 scale for each channel) of a kernel that lies on a grid, else None."""
    others = tuple(one for one in range(kernel.ndim) if one != axis)
    scales = np.abs(kernel.astype(np.float64)).max(axis=others, keepdims=True) / LEVELS
    scales[scales == 0] = 1.0
    steps = kernel / scales
    numbers = np.rint(steps)
    if np.abs(steps - numbers).max(initial=0) > TOLERANCE:
        return None
    return numbers.astype(np.int8), scales.reshape(-1).astype(np.float32)


def _input_scale(name: str, names: Names) -> float | None:
    """Return the one scale of the integers that a value was made from, None when it is no such value."""
    grid = names.grid(name)
    scale = names.value(grid[0]) if grid is not None else None
    return None if scale is None else float(scale)


def _dequantized(
    node: Any, position: int, numbers: NDArray[Any], scales: NDArray[np.float32], axis: int, names: Names
) -> Any:
    """Return a DequantizeLinear of constants, whose result an input of a node is from now on."""
    from onnx import helper

    own = node.input[position]
    constants = {"quantized": numbers, "scale": scales, "zero_point": np.zeros(len(scales), numbers.dtype)}
    inputs = [names.add(names.fresh(f"{own}_{kind}"), values) for kind, values in constants.items()]
    node.input[position] = names.fresh(f"{own}_dequantized")
    return helper.make_node(DEQUANTIZE, inputs, [node.input[position]], name=node.input[position], axis=axis)
