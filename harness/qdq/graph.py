"""An ONNX model's main graph with its names looked up: who makes a value, who takes it, what is constant."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
HANDED_ON = frozenset({
    "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "MaxPool", "Pad", "Slice", "Gather",
    "Concat", "Split", "DepthToSpace", "SpaceToDepth", "Expand", "Tile",
})  # fmt: skip
"""Operators that take integers as they are and give integers of the same scale."""


@dataclass
class Names:
    """What the names of a graph stand for; lists, because the graph is changed while it is looked at."""

    graph: Any
    constants: dict[str, Any] = field(init=False)
    """Name → ``TensorProto``."""
    producers: dict[str, Any] = field(init=False)
    """Name → ``NodeProto``."""
    consumers: dict[str, list[Any]] = field(init=False)
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.constants = {one.name: one for one in self.graph.initializer}
        self.producers = {name: node for node in self.graph.node for name in node.output}
        self.consumers = {}
        for node in self.graph.node:
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    @property
    def ports(self) -> set[str]:
        """Names of the graph's inputs and outputs."""
        return {one.name for one in (*self.graph.input, *self.graph.output)}

    def value(self, name: str) -> NDArray[Any] | None:
        """Return the values of a constant, None for what is computed or absent."""
        from onnx import numpy_helper

        if name not in self.constants:
            return None
        found: NDArray[Any] = numpy_helper.to_array(self.constants[name])
        return found

    def grid(self, name: str) -> tuple[str, str] | None:
        """Return the names of the one scale and zero point of the integers that a value was made from.

        None when there is not one: it was computed in float, has a scale for each channel, or a concatenation brings
        different grids together.
        """
        node = self.producers.get(name)
        while node is not None and node.op_type in HANDED_ON and node.op_type != "Concat":
            node = self.producers.get(node.input[0])
        if node is None:
            return None
        if node.op_type == "Concat":
            grids = [self.grid(one) for one in node.input]
            same = all(one is not None and self._equal(one, grids[0]) for one in grids)
            return grids[0] if same else None
        if node.op_type != DEQUANTIZE or len(node.input) < 3:
            return None
        scale = self.value(node.input[1])
        return (node.input[1], node.input[2]) if scale is not None and scale.ndim == 0 else None

    def _equal(self, one: tuple[str, str], other: tuple[str, str] | None) -> bool:
        """Return whether two grids are the same numbers."""
        if one == other or other is None:
            return other is not None
        pairs = [(self.value(a), self.value(b)) for a, b in zip(one, other, strict=True)]
        return all(a is not None and b is not None and a.dtype == b.dtype and a == b for a, b in pairs)

    def add(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant unless there is one of that name; return the name."""
        from onnx import numpy_helper

        if name not in self.constants:
            self.graph.initializer.append(numpy_helper.from_array(values, name))
            self.constants[name] = self.graph.initializer[-1]
        return name

    def fresh(self, name: str) -> str:
        """Return ``name``, or it with a number, so that no value has it; it is taken from then on."""
        found, number = name, 0
        while found in self.constants or found in self.producers or found in self.ports or found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def replace(self, nodes: Sequence[Any]) -> None:
        """Put other nodes in the place of all, in an order in which they can be computed."""
        kept = [copy(node) for node in nodes]  # before the list that holds them is emptied
        del self.graph.node[:]
        self.graph.node.extend(kept)
        self.__post_init__()

    def tidy(self) -> None:
        """Take out what nothing reads any more, and the types written beside the graph, which may be wrong now."""
        read = {name for node in self.graph.node for name in node.input} | self.ports
        for position in reversed(range(len(self.graph.initializer))):
            if self.graph.initializer[position].name not in read:
                del self.graph.initializer[position]
        del self.graph.value_info[:]
