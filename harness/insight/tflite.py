"""Values of a .tflite graph: every tensor of every image, run in LiteRT's built-in kernels with all tensors kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph import tflite
from harness.graph.model import Graph, Node, Tensor
from harness.graph.ops import CONVERSIONS
from harness.insight.errors import About
from harness.insight.kernels import facts


def key(name: str) -> str:
    """Return what a tensor's name says of the layer: the name of the model around it is no part of that.

    ``mobilenetv2/Conv1/Relu6;mobilenetv2/Conv1/Conv2D`` and ``model_2/Conv1/Relu6;model_2/Conv1/Conv2D`` are the same.
    """
    return ";".join(part.partition("/")[2] or part for part in name.split(";"))


class Values:
    """One file, opened so that the values between its layers can be read."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self.graph = tflite.read(path)
        self._run = Interpreter(
            model_content=path.read_bytes(),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._run.allocate_tensors()
        self._numbers = dict(_named(self.graph))

    def named(self) -> dict[str, tuple[str, ...]]:
        """Return key → the names of the value: the tensor's own, and of an output also that."""
        outputs = set(self.graph.outputs)
        return {name: (raw, name) if name in outputs else (raw,) for name, raw in self.tensor_names().items()}

    def tensor_names(self) -> dict[str, str]:
        """Return key → the tensor's own name."""
        return {name: self.graph.tensors[number].name for name, number in self._numbers.items()}

    def run(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return key → real values for one image, float32 (1, H, W, C)."""
        (entry,) = self._run.get_input_details()
        tensor = self.graph.tensors[next(iter(self.graph.inputs.values()))]
        self._run.set_tensor(entry["index"], _stored(pixels, tensor))
        self._run.invoke()
        return {name: _real(self._run.get_tensor(number), self.graph.tensors[number])
                for name, number in self._numbers.items()}  # fmt: skip

    def about(self) -> dict[str, About]:
        """Return what the graph says of each value, in order."""
        names = {number: name for name, number in self._numbers.items()}
        return {name: self._about(number, names) for name, number in self._numbers.items()}

    def _about(self, number: int, names: dict[int, str]) -> About:
        node, tensor = self.graph.producers[number], self.graph.tensors[number]
        one = len(tensor.scales) == 1
        return About(
            node.op,
            tensor.dtype,
            tuple(dict.fromkeys(self._sources(node, names))),
            tensor.scales[0] if one else None,
            tensor.zero_points[0] if one else None,
            facts(self.graph, node),
        )

    def _sources(self, node: Node, names: dict[int, str]) -> Iterator[str]:
        """Yield the values that go into a node; a conversion in between is looked through."""
        for number in node.inputs:
            before = self.graph.producers.get(number)
            if before is None:
                continue
            if before.op in CONVERSIONS:
                yield from self._sources(before, names)
            elif number in names:
                yield names[number]


def _named(graph: Graph) -> Iterator[tuple[str, int]]:
    """Yield (key, tensor) of what the operators of the main graph compute; what only changes the dtype is left out.

    What an output is made from goes by the name of the output.
    """
    own = {_before(graph, number): name for name, number in graph.outputs.items()}
    seen: set[str] = set()
    for node in graph.nodes:
        if node.scope or node.op in CONVERSIONS:
            continue
        for number in node.outputs:
            name = own.get(number) or key(graph.tensors[number].name)
            if number >= 0 and name not in seen:
                seen.add(name)
                yield name, number


def _before(graph: Graph, number: int) -> int:
    """Return the tensor that a conversion reads to give ``number``, or ``number``."""
    node = graph.producers.get(number)
    return node.inputs[0] if node is not None and node.op in CONVERSIONS else number


def _stored(pixels: NDArray[np.float32], tensor: Tensor) -> NDArray[Any]:
    if not tensor.scales:
        return pixels.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    whole = np.rint(pixels / np.float32(tensor.scales[0])) + tensor.zero_points[0]
    stored: NDArray[Any] = np.clip(whole, limits.min, limits.max).astype(tensor.dtype)
    return stored


def _real(stored: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    if len(tensor.scales) != 1 or stored.dtype.kind == "f":
        return stored
    real: NDArray[Any] = (stored.astype(np.float32) - tensor.zero_points[0]) * np.float32(tensor.scales[0])
    return real
