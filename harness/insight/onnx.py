"""Values of an .onnx graph: every value made an output, as ONNX Runtime computes it with its optimizations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import processor
from harness.graph import onnx as reader
from harness.graph.model import ABSENT, Graph, Node
from harness.graph.ops import ACTIVATIONS, CONVERSIONS, MOVES
from harness.insight.errors import About
from harness.insight.kernels import facts
from harness.insight.pairing import cleaned, plain

_RESULT = {
    "QLinearAdd": (6, 7), "QLinearMul": (6, 7), "QLinearConcat": (0, 1),
    **dict.fromkeys(("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax", "QLinearReduceMean",
                     "QLinearAveragePool", "QLinearGlobalAveragePool"), (3, 4)),
}  # fmt: skip
"""Operators of ONNX Runtime's own domain → inputs with scale and zero point of the result."""
_KEEPING = MOVES | ACTIVATIONS | {"MaxPool"}
"""Operators whose result has the scale of what goes in, where it is integer."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How integers stand for real numbers."""

    dtype: str
    scale: float
    zero_point: int


class Values:
    """One file with its values as outputs.

    A value is looked at after its activation function and after its rounding, where it has them: what a converter
    calls ``x`` may be either. All names that stand for it are then names of one value; a copy in another order of the
    axes is none of its own. Integers are told as the real numbers that they stand for.
    """

    def __init__(self, path: Path) -> None:
        import onnx
        import onnxruntime

        self.graph = reader.read(path)
        self._numbers = {tensor.name: number for number, tensor in enumerate(self.graph.tensors)}
        self._stored = _stored(self.graph)
        proto = onnx.load(str(path))
        self._tensors: dict[str, str] = {}
        self._names = self._told(_groups(proto))
        extra = sorted(set(self._tensors.values()) - {one.name for one in proto.graph.output})
        proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in extra)
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        processor.ask_for_exact_sums(settings)
        self._run = onnxruntime.InferenceSession(proto.SerializeToString(), settings, ["CPUExecutionProvider"])

    def _told(self, groups: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
        """Return value → its names, without what holds no real numbers and without copies that come again later."""
        last = {plain(name): shown for shown, names in groups.items() for name in names}
        found = {}
        for shown, names in groups.items():
            number = self._numbers[shown]
            whole = self.graph.tensors[number].dtype.startswith(("int", "uint", "bool"))
            own = [name for name in names if last[plain(name)] == shown]
            if own and (number in self._stored or not whole):
                value = shown if shown in self.graph.outputs else cleaned(own[-1]).rstrip("/")
                found[value] = tuple(names)
                self._tensors[value] = shown
        return found

    def named(self) -> dict[str, tuple[str, ...]]:
        """Return value → all names that stand for it, in the order of the graph."""
        return self._names

    def run(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return value → real numbers for one image, float32 (1, H, W, C)."""
        if not self._tensors:
            return {}
        entry = self._run.get_inputs()[0]
        given: NDArray[Any] = pixels
        if entry.type != "tensor(float)":
            tensor = self.graph.tensors[self._numbers[entry.name]]
            limits = np.iinfo(tensor.dtype)
            whole = np.rint(pixels / np.float32(tensor.scales[0])) + tensor.zero_points[0]
            given = np.clip(whole, limits.min, limits.max).astype(tensor.dtype)
        found = zip(self._names, self._run.run(list(self._tensors.values()), {entry.name: given}), strict=True)
        real = ((name, self._real(name, values)) for name, values in found)
        return {name: values for name, values in real if values is not None}

    def _real(self, name: str, values: Any) -> NDArray[Any] | None:
        """Return the real numbers of a value; None for integers that are no quantized ones, and for sequences."""
        if not isinstance(values, np.ndarray):
            return None
        if values.dtype.kind == "f":
            return np.asarray(values)
        stored = self._stored.get(self._numbers[self._tensors[name]])
        if stored is None:
            return None
        real: NDArray[Any] = (values.astype(np.float32) - stored.zero_point) * np.float32(stored.scale)
        return real

    def about(self) -> dict[str, About]:
        """Return what the graph says of each value, in order."""
        found = {}
        for name, tensor in self._tensors.items():
            number = self._numbers[tensor]
            node = self._maker(number)
            if node is None:
                continue
            stored = self._stored_of(number)
            found[name] = About(
                node.op,
                stored.dtype if stored is not None else self.graph.tensors[number].dtype,
                tuple(dict.fromkeys(self._sources(node))),
                stored.scale if stored is not None else None,
                stored.zero_point if stored is not None else None,
                facts(self.graph, node),
            )
        return found

    def _stored_of(self, number: int) -> Stored | None:
        """Return how the integers of a value, or those that it was made from, stand for it; None for a float one."""
        node = self.graph.producers.get(number)
        behind = node.inputs[0] if node is not None and node.op == "DequantizeLinear" else number
        return self._stored.get(behind)

    def _maker(self, number: int) -> Node | None:
        """Return the operator that computes a value; conversions and the activation behind it are looked through."""
        node = self.graph.producers.get(number)
        while node is not None and node.op in CONVERSIONS | ACTIVATIONS:
            node = self.graph.producers.get(node.inputs[0])
        return node

    def _sources(self, node: Node) -> Iterator[str]:
        """Yield the values that go into a node."""
        for number in node.inputs:
            before, at = self.graph.producers.get(number), number
            while at not in self._places and before is not None and before.inputs and before.op in CONVERSIONS | MOVES:
                at = before.inputs[0]
                before = self.graph.producers.get(at)
            if at in self._places:
                yield self._places[at]

    @cached_property
    def _places(self) -> dict[int, str]:
        """Tensor → the value that it holds, as float or as integers."""
        found: dict[int, str] = {}
        for name, tensor in self._tensors.items():
            number = self._numbers[tensor]
            found[number] = name
            node = self.graph.producers.get(number)
            if node is not None and node.op == "DequantizeLinear":
                found.setdefault(node.inputs[0], name)
        return found


def _groups(proto: Any) -> dict[str, list[str]]:
    """Return tensor → the names that it stands for, in the order of the graph."""
    found: dict[str, list[str]] = {}
    for name, shown in _shown(proto):
        found.setdefault(shown, []).append(name)
    return found


def _shown(proto: Any) -> Iterator[tuple[str, str]]:
    """Yield (name, the value that stands for it): itself, or what an activation and a rounding make of it."""
    constants = {one.name for one in proto.graph.initializer}
    back: dict[str, str] = {}
    readers: dict[str, list[Any]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
        if node.op_type == "DequantizeLinear":
            back.setdefault(node.input[0], node.output[0])

    outputs = {one.name for one in proto.graph.output}

    def final(name: str) -> str:
        users = [user for user in readers.get(name, []) if user.input[0] == name]
        alone = len(users) == len(readers.get(name, [])) == 1 and name not in outputs
        if alone and users[0].op_type in (*ACTIVATIONS, "QuantizeLinear"):
            return final(users[0].output[0])
        rounded = [user.output[0] for user in users if user.op_type == "QuantizeLinear"]
        return back.get(rounded[0] if rounded else name, name)

    for node in proto.graph.node:
        if node.op_type in ("Constant", "Shape"):
            continue
        for name in node.output:
            if node.op_type == "DequantizeLinear":
                if name in outputs:
                    yield name, name
                continue
            if name and name not in constants and (node.op_type != "QuantizeLinear" or name in back):
                yield name, final(name)


def _stored(graph: Graph) -> dict[int, Stored]:
    """Return tensor → how its integers stand for real numbers, for those that have one scale."""
    found = {
        number: Stored(one.dtype, one.scales[0], one.zero_points[0])
        for number, one in enumerate(graph.tensors)
        if len(one.scales) == 1
    }
    for node in graph.nodes:
        domain, _, op = node.op.rpartition(".")
        if domain == "com.microsoft" and op in _RESULT:
            scale, zero = (graph.tensor(node.inputs, at) for at in _RESULT[op])
            if scale is not None and scale.data is not None and zero is not None and zero.data is not None:
                found[node.outputs[0]] = Stored(zero.dtype, float(scale.data), int(zero.data))
        elif node.op in _KEEPING and node.inputs and node.inputs[0] in found:
            given = found[node.inputs[0]]
            same = (n for n in node.outputs if n != ABSENT and graph.tensors[n].dtype in (given.dtype, "unknown"))
            found |= dict.fromkeys(same, given)
    return found
