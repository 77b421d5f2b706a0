"""A legal graph as cores and the paths between them.

A core does what cannot be left out: products, activations, pools, sums of two values. Between cores lie atoms, which
converters fold, move and drop: wires (reshaping, dtypes, dropout), paddings, and arithmetic with constants (biases,
batch norms). Graphs of one model have the same cores however its atoms were treated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from harness.graph.legal.names import Legal
from harness.graph.macs import of_one
from harness.graph.model import ABSENT, Node

Role = Literal["wire", "pad", "affine", "core"]
Source = tuple[str, int, int]
"""("core", its node, output), ("input", position, 0), or ("lost", tensor, 0) for what nothing computes."""
REDUCTIONS = ("Mean", "Max", "Min", "Sum", "Prod")
COMMUTATIVE = frozenset({"Add", "Mul", "AddN", "Maximum", "Minimum", "And", "Or", "Xor", "Equal", "NotEqual"})
_NO_STRIDE = ("", "1", "1x1", "1x1x1")


@dataclass(frozen=True, slots=True)
class Edge:
    """One dynamic operand of a core."""

    source: Source
    path: tuple[int, ...]
    """Atoms between source and core, in the order of computation."""


@dataclass(frozen=True)
class Core:
    """A node that must have its like in the other graph; ``node`` is -1 - position for an output of the graph."""

    node: int
    signature: tuple[str, ...]
    """What its like has too: operator, sizes, number of operands."""
    edges: tuple[Edge, ...]

    @property
    def is_output(self) -> bool:
        """Return whether it stands for an output of the graph."""
        return self.node < 0


@dataclass(frozen=True)
class Skeleton:
    """The cores of a graph, each after those that it reads."""

    legal: Legal
    cores: Mapping[int, Core]
    roles: Mapping[int, Role]
    """For each node that runs."""

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """Core → the cores that read it."""
        found: dict[int, list[int]] = {number: [] for number in self.cores}
        for number, core in self.cores.items():
            for edge in core.edges:
                if edge.source[0] == "core":
                    found[edge.source[1]].append(number)
        return found

    @cached_property
    def live(self) -> frozenset[int]:
        """The nodes that an output of the graph depends on."""
        found: set[int] = set()
        waiting = [core for number, core in self.cores.items() if number < 0]
        while waiting:
            core = waiting.pop()
            found.add(core.node)
            for edge in core.edges:
                found.update(edge.path)
                if edge.source[0] == "core" and edge.source[1] not in found:
                    waiting.append(self.cores[edge.source[1]])
        return frozenset(found)

    def name(self, node: int) -> str:
        """Return the place of a node, or the name of an output."""
        if node < 0:
            return list(self.legal.graph.outputs)[-1 - node]
        return self.legal.graph.nodes[node].name

    def op(self, node: int) -> str:
        """Return the legal name of a node."""
        return "Output" if node < 0 else self.legal.graph.nodes[node].op

    def is_product(self, node: int) -> bool:
        """Return whether a core multiplies with a constant kernel."""
        if node < 0:
            return False
        found = self.legal.graph.nodes[node]
        constant = len(found.inputs) > 1 and self.legal.constants.leaves(found.inputs[1]) is not None
        return self.legal.kind(found) == "products" and constant


def skeleton(legal: Legal, others: Collection[str] = ()) -> Skeleton:
    """Return the skeleton of a legal graph; outputs correspond by name to ``others``, the rest in order."""
    return _Maker(legal, others).made()


class _Maker:
    def __init__(self, legal: Legal, others: Collection[str]) -> None:
        self._legal, self._graph = legal, legal.graph
        own = [name for name in legal.graph.outputs if name not in others]
        self._labels = [f"#{own.index(name)}" if name in own else name for name in legal.graph.outputs]
        running = {id(node) for node in legal.running}
        self._nodes = {index: node for index, node in enumerate(self._graph.nodes) if id(node) in running}
        self._producer = {number: (index, place) for index, node in self._nodes.items()
                          for place, number in enumerate(node.outputs)}  # fmt: skip
        self._inputs = {number: place for place, number in enumerate(self._graph.inputs.values())}
        self._roles: dict[int, Role] = {index: self._role(node) for index, node in self._nodes.items()}

    def made(self) -> Skeleton:
        cores = {}
        for index, node in self._nodes.items():
            if self._roles[index] == "core":
                cores[index] = Core(index, self._signature(node), tuple(map(self._edge, self._dynamic(node))))
        for place, number in enumerate(self._graph.outputs.values()):
            cores[-1 - place] = Core(-1 - place, ("Output", self._labels[place]), (self._edge(number),))
        return Skeleton(self._legal, _ordered(cores), self._roles)

    def _dynamic(self, node: Node) -> list[int]:
        """Return the inputs that are known only when the graph runs; scales and shapes of wires are no operands."""
        numbers = node.inputs[:1] if self._legal.kind(node) == "wires" else node.inputs
        return [n for n in numbers if n != ABSENT and self._legal.constants.leaves(n) is None]

    def _role(self, node: Node) -> Role:
        kind, dynamic = self._legal.kind(node), self._dynamic(node)
        if len(dynamic) != 1:
            return "core"
        if kind == "wires" or self._reduces_nothing(node):
            return "wire"
        if kind == "pads":
            return "pad"
        divides = node.op == "Div" and node.inputs[0] != dynamic[0]
        return "affine" if kind == "affine" and node.inputs.count(dynamic[0]) == 1 and not divides else "core"

    def _reduces_nothing(self, node: Node) -> bool:
        """Return whether a mean or the like has one value only to look at, each time."""
        data, output = self._graph.tensor(node.inputs, 0), self._graph.tensor(node.outputs, 0)
        sizes = of_one(data), of_one(output)
        return node.op in REDUCTIONS and sizes[0] is not None and sizes[0] == sizes[1]

    def _edge(self, number: int) -> Edge:
        path: list[int] = []
        while number not in self._inputs and number in self._producer:
            index, place = self._producer[number]
            if len(path) > len(self._nodes):
                return Edge(("lost", number, 0), ())
            if self._roles[index] == "core":
                return Edge(("core", index, place), tuple(reversed(path)))
            path.append(index)
            number = self._dynamic(self._nodes[index])[0]
        source: Source = ("input", self._inputs[number], 0) if number in self._inputs else ("lost", number, 0)
        return Edge(source, tuple(reversed(path)))

    def _signature(self, node: Node) -> tuple[str, ...]:
        kind, has = self._legal.kind(node), node.attributes
        sizes: list[str] = []
        if kind == "products":
            sizes = [str(has.get(name, "")) for name in ("channels", "kernel")]
        elif kind == "pools":
            sizes = [str(has.get("kernel_size", ""))]
        if kind in ("products", "pools"):
            strides, dilations = str(has.get("strides", "")), str(has.get("dilations", ""))
            sizes += ["" if strides in _NO_STRIDE else strides, "" if dilations in _NO_STRIDE else dilations]
        return (node.op, *sizes, str(len(self._dynamic(node))))


def _ordered(cores: dict[int, Core]) -> dict[int, Core]:
    """Return the cores so that each comes after those that it reads, else in the file's order."""
    made: dict[int, Core] = {}
    opened: set[int] = set()
    for first in cores:
        stack = [(first, False)]
        while stack:
            number, ready = stack.pop()
            if ready:
                made.setdefault(number, cores[number])
            elif number not in opened:
                opened.add(number)
                stack.append((number, True))
                reads = [edge.source[1] for edge in cores[number].edges if edge.source[0] == "core"]
                stack += [(one, False) for one in reversed(reads) if one not in opened]
    return made
