"""Matches replaced in the typed graph."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph.matching.load import load, parse
from harness.graph.matching.pattern import Pattern
from harness.graph.matching.rewrite import apart, rewritten
from harness.graph.matching.search import find
from harness.graph.model import Graph
from tests.harness.graph.building import Building

COPY: dict[str, Any] = {"nodes": {"copy": {"op": "Identity", "inputs": ["x"]}}}


def pattern(content: dict[str, Any], **more: Any) -> Pattern:
    return parse({**content, **more}, "p", "p")


def value(graph: Graph, number: int) -> Any:
    """Return what a tensor is, as a nested expression in which a copy is what it copies."""
    node = graph.producers.get(number)
    if node is None:
        return graph.tensors[number].name
    inputs = [value(graph, one) for one in node.inputs]
    return inputs[0] if node.op == "Identity" else (node.op, *inputs)


@st.composite
def with_copies(draw: st.DrawFn) -> Graph:
    building = Building()
    numbers = [building.input()]
    for _ in range(draw(st.integers(1, 10))):
        op = draw(st.sampled_from(["Identity", "Identity", "RELU", "ADD"]))
        inputs = [draw(st.sampled_from(numbers)) for _ in range(2 if op == "ADD" else 1)]
        numbers.append(building.node(op, *inputs))
    return building.graph(*draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=3)))


@given(with_copies())
def test_bypassed_copies_leave_the_function_as_it_is(graph: Graph) -> None:
    after = rewritten(graph, find(graph, pattern(COPY, rewrite="remove")))
    assert not [node for node in after.nodes if node.op == "Identity"]
    for name, number in graph.outputs.items():
        assert value(after, after.outputs[name]) == value(graph, number)


def test_fused_nodes_become_one() -> None:
    building = Building()
    data = building.input()
    weights, gamma = building.constant((3, 3, 4, 4)), building.constant()
    norm = building.node("FusedBatchNormV3", building.node("Conv2D", data, weights, name="conv"), gamma)
    relu = building.node("Relu", norm, name="relu")
    graph = building.graph(building.node("Mean", relu))
    after = rewritten(graph, [match for form in load("conv_bn_relu") for match in find(graph, form)])
    assert [(node.op, node.name) for node in after.nodes] == [("FusedConvBatchNorm", "relu"), ("Mean", "Mean3")]
    assert after.nodes[0].inputs == (data, weights, gamma)
    assert after.nodes[0].outputs == (relu,)


def test_what_was_computed_for_the_match_only_goes_with_it() -> None:
    building = Building()
    data, other = building.input(), building.input("other")
    shape = building.node("SHAPE", other)
    out = building.node("MUL", data, building.node("RANDOM", shape))
    unread = building.node("ABS", data)
    graph = building.graph(building.node("RELU", out))
    content = {"nodes": {"r": {"op": "RANDOM", "inputs": ["s"]}, "m": {"op": "mul", "inputs": ["x", "r"]}}}
    after = rewritten(graph, find(graph, pattern(content, rewrite={"bypass": "x"})))
    assert [node.op for node in after.nodes] == ["ABS", "RELU"]
    assert after.nodes[1].inputs == (data,)
    assert after.nodes[0].outputs == (unread,)


def test_of_two_that_overlap_one_is_rewritten() -> None:
    building = Building()
    out = building.input()
    for _ in range(4):
        out = building.node("RELU", out)
    graph = building.graph(out)
    content = {"nodes": {"a": {"op": "RELU", "inputs": ["x"]}, "b": {"op": "RELU", "inputs": ["a"]}}}
    matches = find(graph, pattern(content, rewrite={"fuse": {"op": "TWICE", "inputs": ["x"]}}))
    assert (len(matches), len(apart(matches))) == (3, 2)
    assert [node.op for node in rewritten(graph, matches).nodes] == ["TWICE", "TWICE"]


def test_without_a_rewriting_there_is_none() -> None:
    building = Building()
    graph = building.graph(building.node("Identity", building.input()))
    with pytest.raises(ValueError, match="'p' does not say what to put in its place"):
        rewritten(graph, find(graph, pattern(COPY)))
