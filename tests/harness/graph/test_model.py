from __future__ import annotations

from harness.graph.model import ABSENT, Graph, Node, Tensor, unique_names


def test_elements_need_every_dimension() -> None:
    assert Tensor("t", "int8", (2, 3)).elements == 6
    assert Tensor("t", "int8", ()).elements == 1
    assert Tensor("t", "int8", (-1, 3)).elements is None
    assert Tensor("t", "int8", None).elements is None


def test_names_given_twice_are_both_kept() -> None:
    assert unique_names([("a", 0), ("a", 1), ("b", 2), ("a", 3)]) == {"a": 0, "a:1": 1, "b": 2, "a:2": 3}


def test_producers_and_consumers() -> None:
    nodes = (Node("A", "a", (0, ABSENT), (1,)), Node("B", "b", (0, 1), (2,)))
    graph = Graph("onnx", nodes, tuple(Tensor(str(i), "int8", ()) for i in range(3)), {"0": 0}, {"2": 2})
    assert graph.producers == {1: nodes[0], 2: nodes[1]}
    assert graph.consumers == {0: [nodes[0], nodes[1]], 1: [nodes[1]]}
    assert graph.tensor(nodes[0].inputs, 1) is None
    assert graph.tensor(nodes[0].inputs, 2) is None
    assert graph.tensor(nodes[1].inputs, 1) is graph.tensors[1]
