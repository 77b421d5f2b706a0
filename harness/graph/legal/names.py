"""A graph in legal names: fused operators unfolded, with parameters and multiply-adds of each node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.graph.legal.constants import Constants
from harness.graph.legal.recipes import RECIPES
from harness.graph.legal.tables import entry, kinds
from harness.graph.legal.unfolding import Unfolding
from harness.graph.model import FLOATS, Graph, Node

UNKNOWN = "unknown"
_WEIGHTED = ("products", "uncounted", "affine", "norms", UNKNOWN)
_WEIGHTED_OPS = ("PRelu", "Embedding", "Gather")
_NUMBERS = FLOATS | {"int8", "uint8", "int4", "uint4", "int2", "uint16", "int16"}
_BIASES = ("int32", "int64")


@dataclass(frozen=True)
class Legal:
    """A graph in legal names. Tensors of the raw graph keep their numbers; those in between come behind them."""

    raw: Graph
    graph: Graph
    origins: tuple[int, ...]
    """For each legal node the raw node that it comes from."""
    macs: tuple[int | None, ...]
    """Multiply-adds of each legal node for one image; None where shapes are unknown."""
    unknown: Mapping[str, int]
    """Raw operators that no table has, or not in the file's opset → how many. The former keep their raw names."""

    @cached_property
    def constants(self) -> Constants:
        """What is known of each tensor before the graph runs."""
        return Constants(self.graph)

    @cached_property
    def running(self) -> tuple[Node, ...]:
        """The legal nodes that compute from the graph's inputs, not from constants or shapes alone."""
        return tuple(
            node
            for node in self.graph.nodes
            if self.kind(node) != "sources"
            and (not node.outputs or any(self.constants.leaves(number) is None for number in node.outputs))
        )

    def kind(self, node: Node) -> str:
        """Return the kind of a legal node, ``unknown`` for one that is kept under its raw name."""
        return kinds().get(node.op, UNKNOWN)

    def weights(self, node: Node) -> frozenset[int]:
        """Return the constants that are parameters of a node: more than one number, and no shape or axis."""
        kind = self.kind(node)
        if kind not in _WEIGHTED and node.op not in _WEIGHTED_OPS:
            return frozenset()
        numbers = node.inputs[:1] if node.op == "Gather" else node.inputs
        leaves = {leaf for number in numbers for leaf in self.constants.leaves(number) or ()}
        if all(self.constants.leaves(number) is not None for number in node.inputs if number >= 0):
            return frozenset()  # arithmetic of constants: they are parameters of what reads the result
        return frozenset(leaf for leaf in leaves if self._is_parameter(leaf, kind))

    def _is_parameter(self, leaf: int, kind: str) -> bool:
        tensor = self.graph.tensors[leaf]
        if not tensor.elements or tensor.elements < 2:
            return False
        return tensor.dtype in _NUMBERS or (tensor.dtype in _BIASES and kind in ("affine", "products"))

    def parameters(self, nodes: list[Node] | None = None) -> int:
        """Return the numbers in the constants that are parameters of ``nodes`` (all), each constant once."""
        chosen = self.graph.nodes if nodes is None else nodes
        found: dict[int, int] = {}
        for leaf in {leaf for node in chosen for leaf in self.weights(node)}:
            tensor = self.graph.tensors[leaf]
            found[tensor.buffer if tensor.buffer >= 0 else -2 - leaf] = tensor.elements or 0
        return sum(found.values())


def legalize(graph: Graph) -> Legal:
    """Return ``graph`` in legal names; what no table has is kept as it is and counted."""
    unfolding, unknown = Unfolding(graph), Counter[str]()
    for index, node in enumerate(graph.nodes):
        unfolding.begin(index)
        found = entry(graph.format, node.op)
        if found is None or node.custom:
            unknown[node.op] += 1
            unfolding.emit(node.op, node.inputs, node.outputs, node.attributes)
        else:
            if not found.is_in(graph.opset):  # some converters write such: the meaning is clear, the file is not valid
                unknown[f"{node.op} (not in opset {graph.opset})"] += 1
            RECIPES[found.recipe](unfolding, node, found)
    nodes, tensors = tuple(unfolding.nodes), tuple(unfolding.tensors)
    made = Graph(graph.format, nodes, tensors, graph.inputs, graph.outputs, graph.opset, graph.signatures)
    return Legal(graph, made, tuple(unfolding.origins), tuple(unfolding.macs), unknown)
