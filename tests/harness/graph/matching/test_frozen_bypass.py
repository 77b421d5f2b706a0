"""Dropout and other detours taken out of real frozen graphs, which TensorFlow runs before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.graph import graph_def as files
from harness.graph.matching.frozen_bypass import bypassed
from harness.graph.matching.load import load, parse
from harness.graph.matching.search import find, largest
from harness.graph.opening import open_graph

IMAGE = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


@pytest.fixture
def rewrite(tmp_path: Path) -> Callable[..., Any]:
    """Return a function: graph, pattern → the graph without its matches, read back from disk."""

    def run(graph_def: Any, forms: Any, count: int | None = None) -> Any:
        (tmp_path / "g.pb").write_bytes(graph_def.SerializeToString())
        graph = open_graph(tmp_path / "g.pb")
        matches = largest(match for form in forms for match in find(graph, form))
        assert count is None or len(matches) == count
        untouched = graph_def.SerializeToString(deterministic=True)
        after = bypassed(graph_def, graph, matches)
        assert graph_def.SerializeToString(deterministic=True) == untouched
        files.check(after)
        return after

    return run


def run(graph_def: Any, *outputs: str) -> list[np.ndarray]:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return list(session.run([f"{name}:0" for name in outputs], {"x:0": IMAGE}))


def graph_of(body: Callable[[Any, Any], None]) -> Any:
    """Return the GraphDef of what ``body`` builds on a placeholder x of 2×3."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        body(tf, tf.compat.v1.placeholder(tf.float32, (2, 3), "x"))
    return graph.as_graph_def()


def dropout_tf1(tf: Any, x: Any, keep: float) -> Any:
    """Write the form of TensorFlow 1 by hand: the TensorFlow that is installed does not."""
    keep = tf.constant(keep, name="keep_prob")
    noise = keep + tf.raw_ops.RandomUniform(shape=tf.shape(x), dtype=tf.float32) * (1.0 - tf.constant(0.0)) + 0.0
    return tf.realdiv(x, keep) * tf.floor(noise)


def dropout_tf2(tf: Any, x: Any, rate: float) -> Any:
    """Write the first form of TensorFlow 2 by hand."""
    noise = tf.raw_ops.RandomUniform(shape=tf.shape(x), dtype=tf.float32)
    return x * (1 / (1 - rate)) * tf.cast(noise >= rate, tf.float32)


def dropout_now(tf: Any, x: Any, rate: float) -> Any:
    """Dropout as the TensorFlow that is installed writes it."""
    return tf.nn.dropout(x, rate=rate + 1e-9)  # a rate of exactly 0 writes nothing


FORMS: dict[str, Callable[[Any, Any, float], Any]] = {
    "dropout_tf1": lambda tf, x, rate: dropout_tf1(tf, x, 1 - rate),
    "dropout_tf2": dropout_tf2,
    "dropout_select": dropout_now,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_dropout_goes_and_the_function_is_that_of_inference(
    rewrite: Callable[..., Any], form: str, rate: float
) -> None:
    def network(with_dropout: bool) -> Any:
        def body(tf: Any, x: Any) -> None:
            weights = tf.constant(np.arange(12, dtype=np.float32).reshape(3, 4) / 10)
            hidden = tf.nn.relu(x @ weights)
            hidden = FORMS[form](tf, hidden, rate) if with_dropout else hidden
            tf.nn.softmax(hidden, name="y")

        return graph_of(body)

    before, plain = network(True), network(False)
    after = rewrite(before, load("dropout"), 1)
    assert rewrite(before, load(form), 1) == after
    assert sorted(node.op for node in after.node) == sorted(node.op for node in plain.node)
    np.testing.assert_array_equal(run(after, "y")[0], run(plain, "y")[0])
    if not rate:  # nothing is dropped: the function was the same with it
        np.testing.assert_allclose(run(after, "y")[0], run(before, "y")[0], rtol=1e-6)


def test_dropout_at_the_end_leaves_its_name(rewrite: Callable[..., Any]) -> None:
    def body(tf: Any, x: Any) -> None:
        tf.identity(x, "first")
        out = dropout_tf1(tf, x, 0.5)
        out.op.graph.get_operation_by_name(out.op.name)

    before = graph_of(body)
    last = [name for name in files.outputs(before) if name != "first"]
    after = rewrite(before, load("dropout_tf1"), 1)
    assert files.outputs(after) == files.outputs(before)
    np.testing.assert_array_equal(run(after, last[0])[0], IMAGE)
    assert {node.op for node in after.node} == {"Placeholder", "Identity"}


def test_one_dropout_behind_another(rewrite: Callable[..., Any]) -> None:
    def body(tf: Any, x: Any) -> None:
        tf.nn.relu(dropout_tf2(tf, dropout_tf2(tf, x, 0.5), 0.5), "y")

    after = rewrite(graph_of(body), load("dropout"), 2)
    assert [node.op for node in files.order(after.node)] == ["Placeholder", "Relu"]
    np.testing.assert_array_equal(run(after, "y")[0], np.maximum(IMAGE, 0))


def test_what_waits_for_a_node_that_goes_waits_no_more(rewrite: Callable[..., Any]) -> None:
    def body(tf: Any, x: Any) -> None:
        out = dropout_tf2(tf, x, 0.5)
        with tf.control_dependencies([out]):
            tf.nn.relu(out, "y")
            tf.identity(x, "z")

    after = rewrite(graph_of(body), load("dropout"), 1)
    np.testing.assert_array_equal(run(after, "y", "z")[1], IMAGE)
    assert "RandomUniform" not in {node.op for node in after.node}


def test_a_second_output_is_gone_on_with(rewrite: Callable[..., Any]) -> None:
    def body(tf: Any, x: Any) -> None:
        parts = tf.split(x, 3, axis=1)
        tf.add(tf.identity(parts[2], "copy"), parts[0], "y")

    before = graph_of(body)
    after = rewrite(
        before, [parse({"nodes": {"c": {"op": "Identity", "inputs": ["v"]}}, "rewrite": "remove"}, "p", "p")], 1
    )
    assert "copy" not in {node.name for node in after.node}
    np.testing.assert_array_equal(run(after, "y")[0], run(before, "y")[0])


@st.composite
def chains(draw: st.DrawFn) -> list[tuple[str, list[int]]]:
    """(operator, places of what it reads): 0 is the placeholder."""
    steps = []
    for number in range(1, draw(st.integers(2, 9))):
        op = draw(st.sampled_from(["Identity", "Identity", "Relu", "AddV2", "Neg"]))
        steps.append((op, [draw(st.integers(0, number - 1)) for _ in range(2 if op == "AddV2" else 1)]))
    return steps


@settings(max_examples=25, deadline=None)
@given(chains())
def test_bypassed_copies_leave_the_function_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int]]]
) -> None:
    def body(tf: Any, x: Any) -> None:
        values = [x]
        for op, places in steps:
            inputs = dict(
                zip(("x", "y") if op in ("AddV2", "Neg") else ("features",), (values[p] for p in places), strict=False)
            )
            values.append(getattr(tf.raw_ops, op)(**(inputs if op != "Identity" else {"input": values[places[0]]})))

    before = graph_of(body)
    file = tmp_path_factory.mktemp("chain") / "g.pb"
    file.write_bytes(before.SerializeToString())
    graph = open_graph(file)
    copies = parse({"nodes": {"c": {"op": "Identity", "inputs": ["v"]}}, "rewrite": "remove"}, "p", "p")
    after = bypassed(before, graph, find(graph, copies))
    outputs = files.outputs(before)
    assert files.outputs(after) == outputs
    inner = [node for node in after.node if node.op == "Identity" and node.name not in outputs]
    assert not inner
    for one, other in zip(run(after, *outputs), run(before, *outputs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_inside_a_function_nothing_is_rewritten(rewrite: Callable[..., Any]) -> None:
    import tensorflow as tf

    @tf.function
    def inner(x: Any) -> Any:
        return tf.nn.relu(tf.identity(x))

    before = graph_of(lambda tf, x: tf.nn.relu(inner(x), "y"))
    copies = parse({"nodes": {"c": {"op": "Identity", "inputs": ["v"]}, "r": {"op": "Relu", "inputs": ["c"]}},
                    "rewrite": "remove"}, "p", "p")  # fmt: skip
    with pytest.raises(UserError, match="is inside a function of the graph"):
        rewrite(before, [copies])


def test_only_bypass_is_possible(rewrite: Callable[..., Any]) -> None:
    before = graph_of(lambda tf, x: tf.nn.relu(x, "y"))
    fuse = {"nodes": {"r": {"op": "Relu", "inputs": ["v"]}}, "rewrite": {"fuse": {"op": "New", "inputs": ["v"]}}}
    for content in (fuse, {"nodes": fuse["nodes"]}):
        with pytest.raises(UserError, match="rewritten by bypass only; allowed in its file: rewrite: remove"):
            rewrite(before, [parse(content, "p", "p")])
