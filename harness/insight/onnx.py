"""Values of an .onnx graph: every value made an output, as ONNX Runtime computes it with its optimizations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import processor
from harness.graph import onnx as reader
from harness.graph.model import Node
from harness.graph.ops import ACTIVATIONS, CONVERSIONS, MOVES
from harness.insight.errors import About
from harness.insight.kernels import facts


class Values:
    """One file with its values as outputs, by the names that the float graph has for them.

    A value is looked at after its activation function and after its rounding, where it has them: what a converter
    calls ``x`` may be either.
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
        settings.add_session_config_entry(*processor.ORT_EXACT_INT8)
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
        """Return the operator that computes a value; conversions and the activation behind it are looked through."""
        node = self.graph.producers.get(number)
        while node is not None and node.op in CONVERSIONS | ACTIVATIONS:
            node = self.graph.producers.get(node.inputs[0])
        return node

    def _sources(self, node: Node) -> Iterator[str]:
        """Yield the names of the values that go into a node; several names may stand for one value."""
        for number in node.inputs:
            before, at = self.graph.producers.get(number), number
            while at not in self._places and before is not None and before.op in CONVERSIONS | MOVES:
                at = before.inputs[0]
                before = self.graph.producers.get(at)
            yield from self._places.get(at, ())

    @cached_property
    def _places(self) -> dict[int, list[str]]:
        """Tensor → the names of the value that it holds, as float or as integers."""
        found: dict[int, list[str]] = {}
        for name, shown in self._shown.items():
            number = self._numbers[shown]
            found.setdefault(number, []).append(name)
            node = self.graph.producers.get(number)
            if node is not None and node.op == "DequantizeLinear":
                found.setdefault(node.inputs[0], []).append(name)
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

    def final(name: str) -> str:
        users = readers.get(name, [])
        if len(users) == 1 and users[0].op_type in (*ACTIVATIONS, "QuantizeLinear"):
            return final(users[0].output[0])
        rounded = [user.output[0] for user in users if user.op_type == "QuantizeLinear"]
        return back.get(rounded[0] if rounded else name, name)

    outputs = {one.name for one in proto.graph.output}
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
