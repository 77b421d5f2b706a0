"""Small graphs put together by hand."""

from __future__ import annotations

from typing import Any

from harness.graph.model import Graph, Node, Tensor


class Building:
    """Gathers nodes and tensors; each call gives the number of the tensor that it makes."""

    def __init__(self, format: str = "tflite") -> None:
        self._format = format
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []
        self._inputs: dict[str, int] = {}

    def tensor(self, name: str, shape: tuple[int, ...] | None = (1, 8, 8, 4), **fields: Any) -> int:
        self._tensors.append(Tensor(name, fields.pop("dtype", "float32"), shape, **fields))
        return len(self._tensors) - 1

    def input(self, name: str = "image", shape: tuple[int, ...] = (1, 8, 8, 4), **fields: Any) -> int:
        self._inputs[name] = self.tensor(name, shape, **fields)
        return self._inputs[name]

    def constant(self, shape: tuple[int, ...] = (4,), **fields: Any) -> int:
        return self.tensor(f"constant{len(self._tensors)}", shape, constant=True, bytes=4, **fields)

    def node(self, op: str, *inputs: int, name: str = "", **fields: Any) -> int:
        attributes = fields.pop("attributes", {})
        name = name or f"{op}{len(self._nodes)}"
        output = self.tensor(name, fields.pop("shape", (1, 8, 8, 4)), **fields)
        self._nodes.append(Node(op, name, inputs, (output,), attributes=attributes))
        return output

    def conv(self, data: int, name: str = "", kernel: int = 1, **fields: Any) -> int:
        return self.node(
            "CONV_2D", data, self.constant((4, kernel, kernel, 4)), self.constant((4,)), name=name, **fields
        )

    def graph(self, *outputs: int, **named: int) -> Graph:
        ports = {f"out{index}": number for index, number in enumerate(outputs)} | named
        return Graph(self._format, tuple(self._nodes), tuple(self._tensors), dict(self._inputs), ports)


def residual(building: Building, data: int, name: str = "", **fields: Any) -> int:
    """Two convolutions and a shortcut."""
    first = building.conv(data, f"{name}_expand/Conv2D" if name else "", **fields)
    second = building.conv(first, f"{name}_project/Conv2D" if name else "", **fields)
    return building.node("ADD", second, data, name=f"{name}_add/add" if name else "", **fields)
