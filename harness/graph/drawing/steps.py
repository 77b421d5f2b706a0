"""What a reader takes for one step of a computation: an operator with what is stored for it and what directly follows.

Weights and the way to them are no steps. A convolution takes in the padding before it and the bias, batch
normalization, activation and rounding behind it, as long as nobody else reads what lies between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from harness.graph.constants import constant_nodes
from harness.graph.drawing.folding import data, folded, is_output
from harness.graph.model import Graph, Node, Tensor
from harness.graph.order import ordered


@dataclass(frozen=True)
class Step:
    """Nodes that are drawn as one box."""

    nodes: tuple[Node, ...]
    """In the order in which they run."""
    lead: Node
    """The one that the step is named after."""
    inputs: tuple[int, ...]
    """Tensors that other steps or the caller give; constants are left out."""
    outputs: tuple[int, ...]
    """Tensors that somebody else reads."""


@dataclass(frozen=True)
class Flow:
    """A graph as steps, each after those that it reads."""

    graph: Graph
    steps: tuple[Step, ...]
    makers: dict[int, int] = field(repr=False)
    """Tensor number → position of the step that computes it."""

    @cached_property
    def last_readers(self) -> dict[int, int]:
        """Tensor number → position of the last step that reads it."""
        return {number: position for position, step in enumerate(self.steps) for number in step.inputs}

    def carried(self, number: int) -> Tensor:
        """Return what is handed over as ``number``: in ONNX's QDQ form the integers before they are spelt as floats."""
        producer = self.graph.producers.get(number)
        if producer is not None and producer.op == "DequantizeLinear" and producer.inputs[:1] > (-1,):
            return self.graph.tensors[producer.inputs[0]]
        return self.graph.tensors[number]


def flow(graph: Graph, *, fold: bool = True) -> Flow:
    """Return the steps of a graph; one for each operator unless ``fold``. Raises ``StageFailed`` for a cycle."""
    order = ordered(graph)
    stored = constant_nodes(graph, ways_only=not fold)
    shown = [position for position in order if position not in stored]
    constant = {number for position in stored for number in graph.nodes[position].outputs}
    members = folded(graph, shown, constant) if fold else {position: [position] for position in shown}
    place = {position: index for index, position in enumerate(order)}
    groups = sorted(members.items(), key=lambda one: max(place[position] for position in one[1]))
    steps = tuple(_step(graph, lead, sorted(group, key=place.__getitem__), constant) for lead, group in groups)
    makers = {n: index for index, step in enumerate(steps) for node in step.nodes for n in node.outputs if n >= 0}
    return Flow(graph, steps, makers)


def _step(graph: Graph, lead: int, positions: list[int], constant: set[int]) -> Step:
    nodes = tuple(graph.nodes[position] for position in positions)
    own = {number for node in nodes for number in node.outputs}
    inputs = [number for node in nodes for number in data(graph, node, constant) if number not in own]
    inside = {id(node) for node in nodes}
    outputs = [
        number
        for node in nodes
        for number in node.outputs
        if number >= 0
        and (is_output(graph, number) or any(id(one) not in inside for one in graph.consumers.get(number, [])))
    ]
    return Step(nodes, graph.nodes[lead], tuple(dict.fromkeys(inputs)), tuple(outputs))
