"""Patterns are found wherever they lie, and nowhere else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.graph.matching.load import load, parse
from harness.graph.matching.pattern import Pattern, PatternNode, Ref
from harness.graph.matching.search import Match, find
from harness.graph.model import Graph, Node, Tensor
from tests.harness.graph.building import Building, residual

OPS = ("A", "B", "C")


def pattern(nodes: dict[str, Any], **more: Any) -> Pattern:
    return parse({"nodes": nodes, **more}, "p", "p")


def names(graph: Graph, matches: list[Match]) -> list[dict[str, str]]:
    return [{name: graph.nodes[position].name for name, position in match.nodes.items()} for match in matches]


@st.composite
def graphs(draw: st.DrawFn, most: int = 9) -> Graph:
    """Nodes of one or two inputs, each reading tensors before it; tensor 0 comes from outside."""
    count = draw(st.integers(1, most))
    nodes = []
    for number in range(1, count + 1):
        inputs = draw(st.lists(st.integers(0, number - 1), min_size=1, max_size=2))
        nodes.append(Node(draw(st.sampled_from(OPS)), f"n{number}", tuple(inputs), (number,)))
    tensors = tuple(Tensor(f"t{number}", "float32", (1,)) for number in range(count + 1))
    return Graph("tflite", tuple(nodes), tensors, {"x": 0}, {"y": count})


@st.composite
def planted(draw: st.DrawFn) -> tuple[Graph, Pattern, frozenset[int]]:
    """A graph, a pattern cut out of it, and the positions of the nodes that it was cut out of."""
    graph = draw(graphs())
    chosen = {draw(st.integers(0, len(graph.nodes) - 1))}
    for _ in range(draw(st.integers(0, 4))):
        near = {
            p
            for p, node in enumerate(graph.nodes)
            for q in chosen
            if set(node.outputs) & set(graph.nodes[q].inputs) or set(node.inputs) & set(graph.nodes[q].outputs)
        }
        chosen |= {draw(st.sampled_from(sorted(near)))} if near else set()  # fmt: skip
    made = {graph.nodes[p].outputs[0]: f"n{p}" for p in chosen}
    nodes = []
    for position in draw(st.permutations(sorted(chosen))):
        node = graph.nodes[position]
        refs = [Ref(made.get(number, f"x{number}")) for number in node.inputs]
        any_order = draw(st.booleans())
        if any_order:
            refs = draw(st.permutations(refs))
        nodes.append(PatternNode(f"n{position}", frozenset({node.op}), tuple(refs), any_order=any_order))
    outputs = tuple(node.name for node in nodes)
    return graph, Pattern("p", "", tuple(nodes), outputs=outputs), frozenset(chosen)


@given(planted())
def test_a_planted_pattern_is_found(case: tuple[Graph, Pattern, frozenset[int]]) -> None:
    graph, wanted, positions = case
    found = find(graph, wanted)
    assert positions in {match.positions for match in found}
    for match in found:
        for node in wanted.nodes:
            read = [match.values.get(ref.name, -2) if ref.name in match.values
                    else graph.nodes[match.nodes[ref.name]].outputs[0] for ref in node.inputs if ref]  # fmt: skip
            there = list(graph.nodes[match.nodes[node.name]].inputs)
            assert graph.nodes[match.nodes[node.name]].op in node.ops
            assert Counter(read) <= Counter(there) if node.any_order else read == there[: len(read)]


@given(planted(), st.lists(st.sampled_from(OPS), min_size=1, max_size=5), st.randoms())
def test_it_is_found_whatever_is_built_around_it(
    case: tuple[Graph, Pattern, frozenset[int]], more: list[str], random: Any
) -> None:
    graph, wanted, positions = case
    tensors, nodes = list(graph.tensors), list(graph.nodes)
    for op in more:
        tensors.append(Tensor("t", "float32", (1,)))
        nodes.append(Node(op, f"m{len(nodes)}", (random.randrange(len(tensors) - 1),), (len(tensors) - 1,)))
    grown = replace(graph, nodes=tuple(nodes), tensors=tuple(tensors))
    assert positions in {match.positions for match in find(grown, wanted)}


def as_networkx(nodes: list[tuple[str, str, list[str | None], bool]]) -> nx.DiGraph:
    """(name, op, names of makers, any order) → a graph in which each input is a node of its own, with its place."""
    graph = nx.DiGraph()
    for name, op, _, _ in nodes:
        graph.add_node(name, label=op)
    for name, _, makers, any_order in nodes:
        for place, maker in enumerate(makers):
            if maker is not None:
                graph.add_node((name, place), label=f"input {'' if any_order else place}")
                graph.add_edges_from([(maker, (name, place)), ((name, place), name)])
    return graph


@given(graphs(8), graphs(4), st.booleans())
def test_networkx_finds_the_same(graph: Graph, small: Graph, any_order: bool) -> None:
    """The nodes of ``small`` as a pattern whose nodes read each other and, from outside, whatever there is."""
    free = iter(range(100))
    refs = {node.name: tuple(Ref(f"n{n}") if n else Ref(f"x{next(free)}") for n in node.inputs) for node in small.nodes}
    wanted = Pattern("p", "", tuple(PatternNode(node.name, frozenset({node.op}), refs[node.name], any_order=any_order)
                                    for node in small.nodes), closed=False)  # fmt: skip
    makers = {node.outputs[0]: node.name for node in graph.nodes}
    theirs = as_networkx([(n.name, n.op, [makers.get(i) for i in n.inputs], any_order) for n in graph.nodes])
    own = as_networkx([(n.name, n.op, [f"n{i}" if i else None for i in n.inputs], any_order) for n in small.nodes])
    if not nx.is_weakly_connected(own):
        return
    matcher = nx.algorithms.isomorphism.DiGraphMatcher(theirs, own, lambda one, other: one["label"] == other["label"])
    expected = set()
    for mapping in matcher.subgraph_monomorphisms_iter():
        found = {inner: outer for outer, inner in mapping.items() if isinstance(inner, str)}
        nodes = {node.name: node for node in graph.nodes}
        long_enough = all(len(nodes[found[n.name]].inputs) >= len(n.inputs) for n in small.nodes)
        inside = {nodes[name].outputs[0] for name in found.values()}
        if long_enough and _outside_is_outside(small, nodes, found, mapping, inside, any_order):
            expected.add(frozenset(found.values()))
    assert {frozenset(graph.nodes[p].name for p in match.positions) for match in find(graph, wanted)} == expected


def _outside_is_outside(
    small: Graph,
    nodes: dict[str, Node],
    found: dict[str, str],
    mapping: dict[Any, Any],
    inside: set[int],
    any_order: bool,
) -> bool:
    """Return whether what comes from outside in the pattern does so in the graph as well."""
    for node in small.nodes:
        there = nodes[found[node.name]]
        used = {outer[1] for outer, inner in mapping.items() if isinstance(inner, tuple) and inner[0] == node.name}
        rest = [number for place, number in enumerate(there.inputs) if place not in used]
        free = sum(1 for number in node.inputs if not number)
        if any_order and sum(1 for number in rest if number not in inside) < free:
            return False
        if not any_order and any(there.inputs[place] in inside for place, n in enumerate(node.inputs) if not n):
            return False
    return True


def test_any_order_and_the_order_that_is_written() -> None:
    building = Building()
    data = building.input()
    sub = building.node("SUB", building.node("RELU", data, name="relu"), data, name="sub")
    graph = building.graph(building.node("ADD", data, sub, name="add"))
    assert len(find(graph, pattern({"s": {"op": "SUB", "inputs": ["_", "r"]}, "r": {"op": "RELU"}}))) == 0
    assert len(find(graph, pattern({"s": {"op": "SUB", "inputs": ["r", "_"]}, "r": {"op": "RELU"}}))) == 1
    assert len(find(graph, pattern({"a": {"op": "ADD", "inputs": ["s", "_"]}, "s": {"op": "SUB"}}))) == 1


def test_the_same_value_twice_is_the_same_value() -> None:
    building = Building()
    data, other = building.input(), building.input("other")
    squared, product = building.node("MUL", data, data), building.node("MUL", data, other)
    graph = building.graph(squared, product)
    assert [match.values for match in find(graph, pattern({"m": {"op": "mul", "inputs": ["x", "x"]}}))] == [{"x": data}]


def test_optional_nodes_are_taken_when_they_are_there() -> None:
    building = Building()
    data = building.input()
    first = building.node(
        "RELU", building.node("BiasAdd", building.conv(data, "c1"), building.constant(), name="b1"), name="r1"
    )
    graph = building.graph(building.node("RELU", building.conv(first, "c2"), name="r2"))
    wanted = pattern({"conv": {"op": "conv"}, "bias": {"op": "add", "inputs": ["conv"], "optional": True},
                      "relu": {"op": "activation", "inputs": ["bias"]}})  # fmt: skip
    assert names(graph, find(graph, wanted)) == [
        {"conv": "c1", "bias": "b1", "relu": "r1"}, {"conv": "c2", "relu": "r2"}]  # fmt: skip


def test_what_is_read_elsewhere_is_not_closed() -> None:
    building = Building()
    out = building.conv(building.input())
    nodes = {"conv": {"op": "conv"}, "relu": {"op": "RELU", "inputs": ["conv"]}}
    read_twice = building.graph(building.node("RELU", out), building.node("MEAN", out))
    seen = building.graph(building.node("RELU", out), out)
    for graph in (read_twice, seen):
        assert not find(graph, pattern(nodes))
        assert len(find(graph, pattern(nodes, closed=False))) >= 1


def test_predicates_of_nodes_and_values() -> None:
    building = Building()
    data = building.input()
    three = building.constant((), data=np.float32(3))
    stored = building.constant((), dtype="int8", data=np.int8(7), scales=(0.5,), zero_points=(1,))
    first = building.node("ADD", data, three, name="first", attributes={"activation": "relu6"})
    second = building.node("ADD", first, stored, name="second", dtype="int8")
    graph = building.graph(second)

    def found(**fields: Any) -> list[str]:
        value = fields.pop("value", {})
        wanted = pattern({"a": {"op": "add", "inputs": ["x", "y"], **fields}}, values={"y": value} if value else {})
        return [one["a"] for one in names(graph, find(graph, wanted))]

    assert found() == ["first", "second"]
    assert found(dtype="int8") == ["second"]
    assert found(attributes={"activation": ["relu", "relu6"]}) == ["first"]
    assert found(attributes={"activation": "tanh"}) == []
    assert found(value={"constant": True, "number": 3}) == ["first", "second"]
    assert found(value={"constant": True, "number": 4}) == []
    assert found(value={"rank": 4}) == ["first", "second"]
    assert found(value={"rank": 3}) == []
    assert found(value={"dtype": "int8"}) == ["second"]


def test_second_outputs() -> None:
    tensors = tuple(Tensor(f"t{i}", "float32", (1,)) for i in range(5))
    nodes = (Node("SPLIT", "s", (0,), (1, 2)), Node("RELU", "r1", (1,), (3,)), Node("RELU", "r2", (2,), (4,)))
    graph = Graph("tflite", nodes, tensors, {"x": 0}, {"a": 3, "b": 4})
    for port, expected in ((0, "r1"), (1, "r2")):
        wanted = pattern({"s": {"op": "SPLIT"}, "r": {"op": "RELU", "inputs": [f"s:{port}"]}}, closed=False)
        assert [one["r"] for one in names(graph, find(graph, wanted))] == [expected]
    assert not find(graph, pattern({"s": {"op": "SPLIT"}, "r": {"op": "RELU", "inputs": ["s:7"]}}, closed=False))


def test_looks_through_what_stands_between() -> None:
    building = Building()
    out = building.conv(building.input(), "conv")
    for _ in range(3):
        out = building.node("Identity", out)
    graph = building.graph(building.node("RELU", out, name="relu"))
    nodes = {"conv": {"op": "conv"}, "relu": {"op": "RELU", "inputs": ["conv"]}}
    assert not find(graph, pattern(nodes))
    (match,) = find(graph, pattern(nodes, through=["Identity"]))
    assert (len(match.passed), len(match.positions)) == (3, 5)
    building.node("MEAN", out)
    assert not find(building.graph(graph.outputs["out0"], len(graph.tensors)), pattern(nodes, through=["Identity"]))


def test_another_vocabulary() -> None:
    building = Building()
    graph = building.graph(building.conv(building.input(), "c"))
    wanted = pattern({"a": {"op": "Convolution"}})
    assert not find(graph, wanted)
    assert len(find(graph, wanted, legal={"CONV_2D": "Convolution"}.__getitem__)) == 1


def test_a_graph_of_5000_nodes_takes_few_steps() -> None:
    building = Building()
    out = building.input()
    for number in range(1700):
        out = residual(building, out, f"block_{number}")
    graph = building.graph(out)
    wanted = pattern({"a": {"op": "conv", "inputs": ["x"]}, "b": {"op": "conv", "inputs": ["a"]},
                      "sum": {"op": "add", "inputs": ["b", "x"]}})  # fmt: skip
    few = 10 * len(graph.nodes)
    assert len(find(graph, wanted, steps=few)) == 1700
    for name in ("dropout", "conv_bn_relu", "squeeze_excite", "hard_swish"):
        assert not [match for form in load(name) for match in find(graph, form, steps=few)]


def test_a_pattern_that_fits_everywhere_is_given_up() -> None:
    building = Building()
    data = building.input()
    layer = [data] * 4
    for _ in range(12):
        layer = [building.node("ADD", one, other) for one in layer for other in layer][:12]
    nodes: dict[str, Any] = {"n0": {"op": "add", "inputs": ["a0", "b0"]}}
    nodes |= {f"n{i}": {"op": "add", "inputs": [f"n{i - 1}", f"b{i}"]} for i in range(1, 12)}
    with pytest.raises(UserError, match=r"'p': it fits too often .* op, inputs, dtype") as caught:
        find(building.graph(*layer), pattern(nodes, closed=False), steps=20_000)
    assert "\n" not in str(caught.value)


def test_two_readers_of_one_node_read_the_same_one() -> None:
    """The sum is the rarest and is bound first, so what its two sides read is bound last."""
    wanted = pattern({"sum": {"op": "ADD", "inputs": ["left", "right"]}, "left": {"op": "RELU", "inputs": ["top"]},
                      "right": {"op": "TANH", "inputs": ["top"]}, "top": {"op": "ABS"}})  # fmt: skip
    for shared in (True, False):
        building = Building()
        data = building.input()
        tops = [building.node("ABS", data) for _ in range(3)]
        left, right = building.node("RELU", tops[0]), building.node("TANH", tops[0 if shared else 1])
        more = [building.node(op, tops[2]) for op in ("RELU", "TANH")]
        graph = building.graph(building.node("ADD", left, right), *more)
        assert len(find(graph, wanted)) == shared


def test_two_nodes_of_a_pattern_are_two_nodes() -> None:
    building = Building()
    data = building.input()
    one, other = building.node("RELU", data), building.node("RELU", data)
    twice, both = building.node("ADD", one, one, name="twice"), building.node("ADD", one, other, name="both")
    wanted = pattern(
        {"sum": {"op": "add", "inputs": ["a", "b"]}, "a": {"op": "RELU"}, "b": {"op": "RELU"}}, closed=False
    )
    graph = building.graph(twice, both)
    assert [match["sum"] for match in names(graph, find(graph, wanted))] == ["both"]
