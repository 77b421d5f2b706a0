"""Frozen graphs as files: what is none is told by what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StageFailed
from harness.graph import frozen, graph_def


def small() -> Any:
    """x → relu → y, through a product with a constant."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, 3), "x")
        tf.nn.relu(image @ tf.constant([[1.0], [2.0], [3.0]], name="weights"), "y")
    return graph.as_graph_def(add_shapes=True)


def broken(path: Path) -> str:
    """Return what both readers say of a file that is no graph."""
    with pytest.raises(StageFailed) as caught:
        graph_def.load(path)
    assert caught.value.reason == "broken_file"
    with pytest.raises(StageFailed) as again:
        frozen.read(path)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


def test_reads_ports_and_shapes(tmp_path: Path) -> None:
    (tmp_path / "g.pb").write_bytes(small().SerializeToString())
    graph = frozen.read(tmp_path / "g.pb")
    assert (graph.format, list(graph.inputs), list(graph.outputs)) == ("frozen", ["x"], ["y"])
    assert [node.op for node in graph.nodes] == ["Const", "MatMul", "Relu"]
    assert graph.tensors[graph.outputs["y"]].shape == (1, 1)
    assert [(one.name, one.bytes) for one in graph.tensors if one.constant] == [("weights", 12)]


@pytest.mark.parametrize("keep", [0, 1, 40, 90, 131])
def test_a_truncated_file(tmp_path: Path, keep: int) -> None:
    (tmp_path / "g.pb").write_bytes(small().SerializeToString()[:keep])
    assert ("empty" in broken(tmp_path / "g.pb")) == (keep == 0)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\x1c\x00\x00\x00TFL3" + bytes(60), "a TFLite file"),
        (b"PK\x03\x04" + bytes(60), "an archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file"),
        (json.dumps({"format": "graph-model"}).encode(), "JSON"),
        (bytes(range(256)), "no frozen graph"),
    ],
)
def test_a_file_of_another_format(tmp_path: Path, content: bytes, hint: str) -> None:
    (tmp_path / "g.pb").write_bytes(content)
    assert hint in broken(tmp_path / "g.pb")


def test_the_file_of_a_saved_model_is_no_frozen_graph(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "saved"))
    assert "no frozen graph" in broken(tmp_path / "saved" / "saved_model.pb")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "No such file" in broken(tmp_path / "none.pb")


def test_a_cycle_is_told_with_its_nodes(tmp_path: Path) -> None:
    content = small()
    next(node for node in content.node if node.op == "MatMul").input[0] = "y"
    (tmp_path / "g.pb").write_bytes(content.SerializeToString())
    assert "a cycle: " in broken(tmp_path / "g.pb")
    assert "y" in broken(tmp_path / "g.pb")


def test_two_nodes_of_one_name_and_a_node_without_operator(tmp_path: Path) -> None:
    content = small()
    content.node.add().CopyFrom(content.node[0])
    (tmp_path / "g.pb").write_bytes(content.SerializeToString())
    assert "the same name" in broken(tmp_path / "g.pb")
    content = small()
    content.node[0].op = ""
    (tmp_path / "g.pb").write_bytes(content.SerializeToString())
    assert "no operator" in broken(tmp_path / "g.pb")


def test_a_custom_operator_is_no_obstacle(tmp_path: Path) -> None:
    content = small()
    content.node.add(name="own", op="MyOwnOp", input=["y"])
    (tmp_path / "g.pb").write_bytes(content.SerializeToString())
    graph = frozen.read(tmp_path / "g.pb")
    assert "MyOwnOp" in {node.op for node in graph_def.load(tmp_path / "g.pb").node}
    assert (list(graph.inputs), list(graph.outputs)) == (["x"], ["own"])
