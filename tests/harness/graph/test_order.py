from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageFailed
from harness.graph.model import Graph, Node, Tensor
from harness.graph.order import ordered
from tests.harness.graph.building import Building


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs without a cycle, their nodes in any order."""
    count = draw(st.integers(1, 12))
    nodes = [Node("ADD", f"n{i}", tuple(draw(st.lists(st.integers(0, i), max_size=3))), (i + 1,)) for i in range(count)]
    tensors = tuple(Tensor(f"t{i}", "float32", (1,)) for i in range(count + 1))
    return Graph("tflite", tuple(draw(st.permutations(nodes))), tensors, {"x": 0}, {"y": count})


@given(graphs())
def test_every_node_comes_after_what_it_reads(graph: Graph) -> None:
    order = ordered(graph)
    assert sorted(order) == list(range(len(graph.nodes)))
    made = {0}
    for position in order:
        assert set(graph.nodes[position].inputs) <= made
        made.update(graph.nodes[position].outputs)


def test_a_sound_order_stays_as_it_is() -> None:
    building = Building()
    data = building.input()
    ends = [building.node("RELU", building.conv(data)) for _ in range(3)]
    assert ordered(building.graph(*ends)) == list(range(6))


def test_a_cycle_is_told_with_its_names() -> None:
    building = Building()
    data = building.input()
    last = building.node("RELU", building.node("ADD", data, data, name="first"), name="last")
    graph = building.graph(last)
    nodes = [replace(node, inputs=(data, last)) if node.name == "first" else node for node in graph.nodes]
    with pytest.raises(StageFailed, match=r"wait for each other: (first → last → first|last → first → last)") as caught:
        ordered(replace(graph, nodes=tuple(nodes)))
    assert caught.value.reason == "broken_file"


def test_a_loop_of_tensorflow_1_is_no_cycle() -> None:
    nodes = (Node("Merge", "merge", (0, 2), (1,)), Node("NextIteration", "next", (1,), (2,)))
    tensors = tuple(Tensor(f"t{i}", "float32", (1,)) for i in range(3))
    assert ordered(Graph("frozen", nodes, tensors, {"x": 0}, {"y": 1})) == [0, 1]
