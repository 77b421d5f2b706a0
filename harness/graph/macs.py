"""Multiply-adds of a node, from shapes alone.

Positions that padding fills with zeros are counted, as everybody's tables do; bias additions are not.
"""

from __future__ import annotations

from math import prod

from harness.graph.model import Graph, Node, Tensor
from harness.graph.ops import MAC_OPS, MacOp

_LOOK_THROUGH = frozenset({
    "DEQUANTIZE", "DENSIFY", "RESHAPE", "TRANSPOSE", "CAST", "SQUEEZE", "EXPAND_DIMS",
    "DequantizeLinear", "Reshape", "Transpose", "Cast", "Identity", "Squeeze", "Unsqueeze",
    "ReadVariableOp", "DisableCopyOnRead", "ExpandDims",
})  # fmt: skip


def count(graph: Graph, node: Node) -> int | None:
    """Return the multiply-adds of one run of ``node``: 0 when it does none, None when shapes are unknown."""
    op = MAC_OPS.get(node.op)
    if op is None:
        return 0
    data, weight = graph.tensor(node.inputs, op.data), graph.tensor(node.inputs, op.weight)
    output = graph.tensor(node.outputs, 0)
    if data is None or weight is None or output is None:
        return None
    if op.formula == "matmul":
        return _times(of_one(output), _summed(data, node))
    kernel = _kernel(weight, op)
    return _times(of_one(output if op.formula == "conv" else data), kernel)


def _times(elements: int | None, each: int | None) -> int | None:
    return None if elements is None or each is None else elements * each


def of_one(tensor: Tensor | None) -> int | None:
    """Return the elements for one image: an unknown first dimension is the batch, and counts as 1."""
    if tensor is None or not tensor.shape:
        return None if tensor is None else tensor.elements
    sizes = (abs(tensor.shape[0]), *tensor.shape[1:])
    return None if min(sizes) < 0 else prod(sizes)


def _kernel(weight: Tensor, op: MacOp) -> int | None:
    """Return the multiply-adds behind one element."""
    sizes = None if weight.shape is None else weight.shape[slice(*op.kernel)]
    return None if sizes is None or any(size < 0 for size in sizes) else prod(sizes)


def _summed(data: Tensor, node: Node) -> int | None:
    """Return the length of the dimension that a matrix product sums over."""
    if not data.shape:
        return None
    transposed = bool(node.attributes.get("transpose_a")) and len(data.shape) > 1
    size = data.shape[-2 if transposed else -1]
    return None if size < 0 else size


def operand(graph: Graph, node: Node, position: int) -> Tensor | None:
    """Return an input of ``node`` as the file stores it: behind DEQUANTIZE, DENSIFY, reshaping and the like.

    The tensor itself comes back when nothing constant stands behind it.
    """
    if position >= len(node.inputs) or node.inputs[position] < 0:
        return None
    number = node.inputs[position]
    direct = graph.tensors[number]
    for _ in range(len(graph.nodes)):
        producer = graph.producers.get(number)
        if graph.tensors[number].constant:
            return graph.tensors[number]
        if producer is None or producer.op not in _LOOK_THROUGH or not producer.inputs or producer.inputs[0] < 0:
            return direct
        number = producer.inputs[0]
    return direct


def kernels(graph: Graph) -> list[tuple[Node, Tensor]]:
    """Return every constant that a counted operator multiplies with, with its node, each constant once."""
    found: dict[int, tuple[Node, Tensor]] = {}
    for node in graph.nodes:
        op = MAC_OPS.get(node.op)
        if op is None:
            continue
        for position in (op.weight, op.data) if op.formula == "matmul" else (op.weight,):
            tensor = operand(graph, node, position)
            if tensor is not None and tensor.constant:
                found.setdefault(id(tensor), (node, tensor))
    return list(found.values())
