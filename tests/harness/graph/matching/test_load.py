"""Patterns as files: what is shipped is sound, and what is not is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import UserError
from harness.graph.matching import load
from harness.graph.matching.pattern import OPTIONAL, Ref, variants

GOOD: dict[str, Any] = {"nodes": {"conv": {"op": "conv", "inputs": ["x", "weights"]},
                                  "relu": {"op": ["Relu"], "inputs": ["conv"], "optional": True}}}  # fmt: skip


def test_the_shipped_patterns_are_sound() -> None:
    assert {"dropout_tf1", "dropout_tf2", "dropout", "conv_bn_relu", "dense_bias_activation", "hard_swish",
            "squeeze_excite"} <= set(load.shipped())  # fmt: skip
    for name in load.shipped():
        forms = load.load(name)
        assert forms
        assert load.about(name)
        assert all(form.about and form.rewrite for form in forms)
    assert [form.name for form in load.load("dropout")][:2] == ["dropout_tf1", "dropout_tf2"]


def test_a_pattern_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**GOOD, "rewrite": {"fuse": {"op": "Mine", "inputs": ["x"]}}}))
    (pattern,) = load.load(str(file))
    assert (pattern.name, pattern.outputs, pattern.closed) == ("mine", ("relu",), True)
    assert pattern.nodes[0].inputs == (Ref("x"), Ref("weights"))
    assert pattern.rewrite is not None
    assert [[node.name for node in one.nodes] for one in variants(pattern)] == [["conv", "relu"], ["conv"]]
    assert [one.outputs for one in variants(pattern)] == [("relu",), ("conv",)]


def test_known_operators_commute_and_the_file_may_say_otherwise() -> None:
    nodes = {"a": {"op": ["Add", "AddV2"], "inputs": ["x", "y"]}, "b": {"op": "Sub", "inputs": ["a", "z"]},
             "c": {"op": "mul", "inputs": ["b", "w"], "any_order": False}}  # fmt: skip
    assert [node.any_order for node in load.parse({"nodes": nodes}, "p", "p").nodes] == [True, False, False]


def test_remove_goes_on_with_the_one_value_that_is_no_constant() -> None:
    content = {**GOOD, "values": {"weights": {"constant": True}}, "rewrite": "remove"}
    rewrite = load.parse(content, "p", "p").rewrite
    assert rewrite is not None
    assert (rewrite.verb, rewrite.inputs) == ("bypass", ("x",))
    with pytest.raises(UserError, match=r"remove: 2 values come from outside \(x, weights\)"):
        load.parse({**GOOD, "rewrite": "remove"}, "p", "p")


def node(**fields: Any) -> dict[str, Any]:
    return {"nodes": {"a": {"op": "Relu", "inputs": ["x"], **fields}}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "nodes: allowed: a mapping"),
        ({"nodes": []}, "nodes: allowed: a mapping"),
        ({"nodes": {}}, "0 of them; allowed: 1 to 32"),
        ({"nodes": {1: {}}}, "nodes: allowed: a mapping from names"),
        ({"nodes": {"a b": {"op": "Relu"}}}, "'a b' is no name"),
        ({"nodes": {f"n{i}": {"op": "Relu", "inputs": [f"n{i + 1}"]} for i in range(33)}}, "33 of them"),
        ({**node(), "nods": {}}, "unknown key 'nods'; did you mean 'nodes'?"),
        (node(ops="Relu"), "nodes.a: unknown key 'ops'; did you mean 'op'?"),
        ({"nodes": {"a": {"inputs": ["x"]}}}, "nodes.a: the key op is missing"),
        (node(op=3), "nodes.a.op: allowed: a name or a list of names"),
        (node(op=""), "nodes.a.op: allowed: a name"),
        (node(inputs=["x:y"]), "'x:y' is no value; allowed: a name, name:1"),
        (node(inputs=[["x"]]), "nodes.a.inputs: allowed"),
        (node(optional="yes"), "nodes.a.optional: allowed: true or false"),
        (node(optional=True), "all are optional"),
        (node(optional=True, inputs=["_"]), "it is optional, but has no first input"),
        (node(attributes=[1]), "nodes.a.attributes: allowed: a mapping"),
        (node(attributes={"axis": {}}), "nodes.a.attributes.axis: allowed: a number"),
        (node(inputs=["b"]) | {"values": {"x": {}}}, "values: no node reads 'x' from outside"),
        ({**node(), "values": {"x": {"const": True}}}, "values.x: unknown key 'const'; did you mean 'constant'?"),
        ({**node(), "values": {"x": {"rank": True}}}, "values.x.rank: allowed: a number"),
        ({**node(), "outputs": ["b"]}, "outputs: there is no node 'b'"),
        ({**node(), "outputs": []}, "outputs: nothing goes on"),
        ({**node(), "closed": 1}, "closed: allowed: true or false"),
        ({**node(), "rewrite": "drop"}, "rewrite: allowed: remove, "),
        ({**node(), "rewrite": {"bypass": "y"}}, "rewrite: no node reads 'y' from outside; "),
        ({**node(), "rewrite": {"fuse": {"op": ["A", "B"]}}}, "rewrite.fuse.op: allowed: one name"),
        ({"nodes": {"a": {"op": "A", "inputs": ["b"]}, "b": {"op": "B", "inputs": ["a"]}}}, "nodes: a cycle: "),
        ({"nodes": {"a": {"op": "A", "inputs": ["x"]}, "b": {"op": "B", "inputs": ["y"]}}}, "have nothing to do with"),
        ({"nodes": {"a": {"op": "A", "inputs": ["x"]}, "b": {"op": "B", "inputs": ["x"]}}, "rewrite": "remove"},
         "2 nodes' results go on"),
        ({"any_of": ["a"]}, "unknown key 'any_of'"),
    ],
)  # fmt: skip
def test_mistakes_name_the_place_and_what_is_allowed(content: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        load.parse(content, "p", "p.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_optional_nodes() -> None:
    nodes: dict[str, Any] = {"n0": {"op": "A", "inputs": ["x"]}}
    nodes |= {f"n{i}": {"op": "A", "inputs": [f"n{i - 1}"], "optional": True} for i in range(1, OPTIONAL + 2)}
    with pytest.raises(UserError, match="9 are optional; allowed: up to 8"):
        load.parse({"nodes": nodes}, "p", "p")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no pattern; allowed: a mapping with about, any_of"),
        ("- a", "no pattern; allowed"),
        ("a: [", "no YAML: "),
        ("\x00", "no YAML: "),
        ("[" * 5000, "no YAML: "),
        ("a: !!python/object/apply:os.system ['true']", "no YAML: "),
        ("a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(9)), "unknown key 'a'"),
        ("#" * 70_000, "more than 65536 bytes"),
        ("any_of: [../x]", "'../x' is no pattern beside it"),
        ("any_of: [bad]\nnodes: {}", "unknown key 'nodes'; allowed: about, any_of"),
    ],
)
def test_files_that_are_no_pattern(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load.load(str(file))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_patterns_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'dropuot' is no pattern; did you mean 'dropout'\? allowed: .*, or a file"):
        load.load("dropuot")
    with pytest.raises(UserError, match="No such file"):
        load.load(str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"about: \xff\xfe")
    with pytest.raises(UserError, match="no YAML"):
        load.load(str(tmp_path / "latin.yaml"))
