"""Values of an .onnx graph: every value made an output, as ONNX Runtime computes it with its optimizations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph import onnx as reader
from harness.graph.model import Node
from harness.graph.ops import CONVERSIONS, MOVES
from harness.insight.errors import About
from harness.insight.kernels import facts

DEQUANTIZED = "_DequantizeLinear_Output"


class Values:
    """One file with its values as outputs, by the names that the float graph has for them.

    A value that is rounded is looked at after its rounding: ``x`` and ``x``'s integers stand for the same.
    """

    def __init__(self, path: Path) -> None:
        import onnx
        import onnxruntime

        self.graph = reader.read(path)
        proto = onnx.load(str(path))
        self._own = [one.name for one in proto.graph.output]
        self._shown = dict(_shown(proto))
        extra = sorted(set(self._shown.values()) - set(self._own))
        proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in extra)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        self._run = onnxruntime.InferenceSession(proto.SerializeToString(), settings, ["CPUExecutionProvider"])
        self._numbers = {tensor.name: number for number, tensor in enumerate(self.graph.tensors)}

    def names(self) -> list[str]:
        """Return the names of all values."""
        return list(self._shown)

    def run(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return name → real values for one image, float32 (1, H, W, C)."""
        entry = self._run.get_inputs()[0]
        wanted = sorted(set(self._shown.values()))
        given: NDArray[Any] = pixels
        if entry.type != "tensor(float)":
            tensor = self.graph.tensors[self._numbers[entry.name]]
            limits = np.iinfo(tensor.dtype)
            whole = np.rint(pixels / np.float32(tensor.scales[0])) + tensor.zero_points[0]
            given = np.clip(whole, limits.min, limits.max).astype(tensor.dtype)
        values = dict(zip(wanted, self._run.run(wanted, {entry.name: given}), strict=True))
        return {name: values[shown] for name, shown in self._shown.items()}

    def about(self) -> dict[str, About]:
        """Return what the graph says of each value, in order."""
        found = {}
        for name, shown in self._shown.items():
            node = self._maker(self._numbers[shown])
            if node is None:
                continue
            stored = self._rounded(shown)
            one = stored is not None and len(stored.scales) == 1
            found[name] = About(
                node.op,
                stored.dtype if stored is not None else self.graph.tensors[self._numbers[shown]].dtype,
                tuple(dict.fromkeys(self._sources(node))),
                stored.scales[0] if stored is not None and one else None,
                stored.zero_points[0] if stored is not None and one else None,
                facts(self.graph, node),
            )
        return found

    def _rounded(self, shown: str) -> Any:
        """Return the integer tensor that a value was made from, None for a float one."""
        node = self.graph.producers.get(self._numbers[shown])
        return self.graph.tensor(node.inputs, 0) if node is not None and node.op == "DequantizeLinear" else None

    def _maker(self, number: int) -> Node | None:
        """Return the operator that computes a value, conversions looked through."""
        node = self.graph.producers.get(number)
        while node is not None and node.op in CONVERSIONS:
            node = self.graph.producers.get(node.inputs[0])
        return node

    def _sources(self, node: Node) -> Iterator[str]:
        """Yield the names of the values that go into a node."""
        names = {self._numbers[shown]: name for name, shown in self._shown.items()}
        waiting = [number for number in node.inputs if number >= 0]
        while waiting:
            number = waiting.pop(0)
            before = self.graph.producers.get(number)
            if number in names:
                yield names[number]
            elif before is not None and before.op in CONVERSIONS | MOVES:
                waiting += [one for one in before.inputs[:1] if one >= 0]


def _shown(proto: Any) -> Iterator[tuple[str, str]]:
    """Yield (name, the value that stands for it): a float value, or the one behind its rounding."""
    constants = {one.name for one in proto.graph.initializer}
    rounded: dict[str, str] = {}
    back = {node.input[0]: node.output[0] for node in proto.graph.node if node.op_type == "DequantizeLinear"}
    for node in proto.graph.node:
        if node.op_type == "QuantizeLinear" and node.output[0] in back:
            rounded[node.input[0]] = rounded[node.output[0]] = back[node.output[0]]
    seen: set[str] = set()
    for node in proto.graph.node:
        for name in node.output:
            if not name or name in constants or node.op_type in ("DequantizeLinear", "Constant", "Shape"):
                continue
            if node.op_type == "QuantizeLinear" and name not in rounded:
                continue
            if name not in seen:
                seen.add(name)
                yield name, rounded.get(name, name)
