"""What is known before a graph runs: which tensors are made of constants alone, and small values of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph.legal.tables import kinds
from harness.graph.model import ABSENT, Graph, Node, Tensor

_MOST = 2**16
"""Elements up to which values are computed."""
_DEPTH = 100
"""Operators in a row that values are followed through."""
_RANDOM = ("RandomUniform", "RandomNormal", "Multinomial")
_EVALUATED: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Sqrt": np.sqrt, "Square": np.square,
    "Rsqrt": lambda x: 1 / np.sqrt(x), "Reciprocal": lambda x: 1 / x, "Neg": np.negative, "Maximum": np.maximum,
    "Minimum": np.minimum, "Exp": np.exp, "Abs": np.abs,
}  # fmt: skip
_KEEPS = ("Identity", "ReadVariable", "Cast", "Reshape", "Dropout", "Densify")
"""Operators that leave the values as they are, in whatever shape."""


class Constants:
    """For each tensor of a legal graph: the constants that it is made of, and its values where they are small."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._leaves: dict[int, frozenset[int]] = {n: frozenset({n}) for n, t in enumerate(graph.tensors) if t.constant}
        self._values: dict[int, NDArray[Any] | None] = {}
        given = set(graph.inputs.values())
        for node in graph.nodes:
            if not given.intersection(node.outputs):
                self._follow(node)

    def _follow(self, node: Node) -> None:
        """Note the outputs of a node that reads constants alone, or only asks for a shape."""
        kind = kinds().get(node.op)
        if kind == "shapes":
            leaves: frozenset[int] | None = frozenset()
        elif node.op in _RANDOM or not node.inputs or kind is None:
            leaves = None
        else:
            leaves = self._joined(node.inputs)
            if leaves is not None and kind == "wires":  # scales, zero points, shapes are no part of the values
                leaves = self._leaves.get(node.inputs[0])
        if leaves is not None:
            self._leaves |= {number: leaves for number in node.outputs if number not in self._leaves}

    def _joined(self, numbers: tuple[int, ...]) -> frozenset[int] | None:
        found = [self._leaves.get(number) for number in numbers if number != ABSENT]
        known = [leaves for leaves in found if leaves is not None]
        return frozenset().union(*known) if known and len(known) == len(found) else None

    def leaves(self, number: int) -> frozenset[int] | None:
        """Return the constants that a tensor is made of, None for one that depends on the graph's inputs."""
        return frozenset() if number == ABSENT else self._leaves.get(number)

    def values(self, number: int, depth: int = 0) -> NDArray[Any] | None:
        """Return the real values of a tensor, None when it is no constant, large, or its values are elsewhere."""
        if number not in self._values:
            self._values[number] = None  # for one that waits for itself
            self._values[number] = self._computed(number, depth) if depth < _DEPTH else None
        return self._values[number]

    def _computed(self, number: int, depth: int) -> NDArray[Any] | None:
        if number == ABSENT or self.leaves(number) is None:
            return None
        tensor = self._graph.tensors[number]
        if tensor.constant:
            return _stored(tensor)
        node = self._graph.producers.get(number)
        if node is None or not node.inputs:
            return None
        if node.op in (*_KEEPS, "DequantizeLinear"):
            return self.values(node.inputs[0], depth + 1)  # of a constant they already are real numbers
        function = _EVALUATED.get(node.op)
        operands = [self.values(one, depth + 1) for one in node.inputs]
        if function is None or any(one is None for one in operands):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(function(*operands))


def _stored(tensor: Tensor) -> NDArray[Any] | None:
    """Return a constant as real numbers."""
    if tensor.data is None or tensor.data.size > _MOST or tensor.data.dtype.kind not in "fiub":
        return None
    values = np.asarray(tensor.data, np.float64)
    if not tensor.scales or tensor.data.shape != tensor.shape:
        return values
    shape = [1] * values.ndim
    if len(tensor.scales) > 1:
        shape[tensor.quantized_dimension] = -1
    real: NDArray[Any] = (values - np.reshape(tensor.zero_points, shape or ())) * np.reshape(tensor.scales, shape or ())
    return real
