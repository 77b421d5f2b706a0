"""What a reader takes for one step of a computation: an operator with what is stored for it and what directly follows.

Weights and the way to them are no steps. A convolution takes in the padding before it and the bias, batch
normalization, activation and rounding behind it, as long as nobody else reads what lies between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from harness.graph.drawing.words import ACTIVATIONS, NEUTRAL, PADS, SCALES, STORED
from harness.graph.model import Graph, Node, Tensor
from harness.graph.ops import CONVERSIONS
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
    stored = _stored(graph, order)
    shown = [position for position in order if position not in stored]
    constant = {number for position in stored for number in graph.nodes[position].outputs}
    members = _folded(graph, shown, constant) if fold else {position: [position] for position in shown}
    place = {position: index for index, position in enumerate(order)}
    groups = sorted(members.items(), key=lambda one: max(place[position] for position in one[1]))
    steps = tuple(_step(graph, lead, sorted(group, key=place.__getitem__), constant) for lead, group in groups)
    makers = {n: index for index, step in enumerate(steps) for node in step.nodes for n in node.outputs if n >= 0}
    return Flow(graph, steps, makers)


def _stored(graph: Graph, order: list[int]) -> set[int]:
    """Return the positions of nodes that only bring constants to their readers."""
    found: set[int] = set()
    known: set[int] = set()
    wanted = set(graph.outputs.values())
    for position in order:
        node = graph.nodes[position]
        if node.op not in STORED or wanted & set(node.outputs):
            continue
        if all(number < 0 or number in known or graph.tensors[number].constant for number in node.inputs):
            found.add(position)
            known.update(node.outputs)
    return found


def _folded(graph: Graph, shown: list[int], constant: set[int]) -> dict[int, list[int]]:
    """Return leading node → all nodes of its step."""
    data = {position: _data(graph, graph.nodes[position], constant) for position in shown}
    readers = _readers(shown, data)
    makers = {number: position for position in shown for number in graph.nodes[position].outputs}
    private = {position for position in shown if _is_private(graph, graph.nodes[position], readers)}
    lead = {position: position for position in shown}
    for position in shown:
        node = graph.nodes[position]
        before = makers.get(data[position][0]) if len(data[position]) == 1 else None
        if position in private and (node.op in PADS or (node.op == "DequantizeLinear" and before not in private)):
            lead[position] = next(readers[number][0] for number in node.outputs if number in readers)
        elif before in private and lead[before] != position:
            front = _end(lead, before)
            stretches = node.op in SCALES and len(data[front]) == 1 and graph.nodes[front].op not in CONVERSIONS
            if node.op in ACTIVATIONS or node.op in NEUTRAL or stretches:
                lead[position] = front
    groups: dict[int, list[int]] = {}
    for position in shown:
        groups.setdefault(_end(lead, position), []).append(position)
    return groups


def _end(lead: dict[int, int], position: int) -> int:
    while lead[position] != position:
        position = lead[position]
    return position


def _data(graph: Graph, node: Node, constant: set[int]) -> list[int]:
    """Return the inputs that are no constants, each once."""
    numbers = (n for n in node.inputs if n >= 0 and n not in constant and not graph.tensors[n].constant)
    return list(dict.fromkeys(numbers))


def _readers(shown: list[int], data: dict[int, list[int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for position in shown:
        for number in data[position]:
            found.setdefault(number, []).append(position)
    return found


def _is_private(graph: Graph, node: Node, readers: dict[int, list[int]]) -> bool:
    """Return whether what a node gives has one reader, and nobody outside sees it."""
    read = [number for number in node.outputs if number in readers]
    return len(read) == 1 and len(readers[read[0]]) == 1 and not _outside(graph, node.outputs)


def _outside(graph: Graph, numbers: Iterable[int]) -> bool:
    return bool(set(numbers) & set(graph.outputs.values()))


def _step(graph: Graph, lead: int, positions: list[int], constant: set[int]) -> Step:
    nodes = tuple(graph.nodes[position] for position in positions)
    own = {number for node in nodes for number in node.outputs}
    inputs = [number for node in nodes for number in _data(graph, node, constant) if number not in own]
    inside = {id(node) for node in nodes}
    outputs = [
        number
        for node in nodes
        for number in node.outputs
        if number >= 0
        and (_outside(graph, [number]) or any(id(one) not in inside for one in graph.consumers.get(number, [])))
    ]
    return Step(nodes, graph.nodes[lead], tuple(dict.fromkeys(inputs)), tuple(outputs))
