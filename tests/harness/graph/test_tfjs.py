"""TensorFlow.js graph models: the same graph as the frozen one that they are made of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed
from harness.graph import graph_def, macs, tfjs
from harness.graph.read import read


def write(source: Path, folder: Path, *, shard: int = 4096, change: Any = None) -> Path:
    """Write a frozen graph as the converter does: constants in shards, no shapes, a signature."""
    from google.protobuf import json_format
    from tensorflow.python.framework import tensor_util

    found = graph_def.load(source)
    weights, content = [], b""
    for node in found.node:
        if "_output_shapes" in node.attr:
            del node.attr["_output_shapes"]
        if node.op == "Const":
            values = tensor_util.MakeNdarray(node.attr["value"].tensor)
            weights.append({"name": node.name, "shape": list(values.shape), "dtype": values.dtype.name})
            content += values.tobytes()
            del node.attr["value"]
    if change is not None:
        change(found, weights)
    paths = [f"group1-shard{i + 1}.bin" for i in range(max(1, math.ceil(len(content) / shard)))]
    for index, path in enumerate(paths):
        (folder / path).write_bytes(content[index * shard : (index + 1) * shard])
    ports = {
        "inputs": {one: {"name": f"{one}:0", "dtype": "DT_FLOAT"} for one in graph_def.inputs(found)},
        "outputs": {f"own_{one}": {"name": f"{one}:0", "dtype": "DT_FLOAT"} for one in graph_def.outputs(found)},
    }
    model = {
        "format": "graph-model",
        "modelTopology": json_format.MessageToDict(found),
        "signature": ports,
        "weightsManifest": [{"paths": paths, "weights": weights}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"


def test_it_is_the_graph_that_it_was_made_of(tiny: Path, tmp_path: Path) -> None:
    before, after = read(tiny / "frozen.pb"), read(write(tiny / "frozen.pb", tmp_path))
    assert after.format == "tfjs"
    assert [node.op for node in after.nodes] == [node.op for node in before.nodes]
    assert sum(macs.count(after, node) or 0 for node in after.nodes) == 101_952
    assert read(tmp_path, "tfjs").nodes == after.nodes
    assert list(after.outputs) == [f"own_{name}" for name in before.outputs]
    constants = {one.name: one for one in before.tensors if one.constant}
    for one in after.tensors:
        if one.constant:
            assert np.array_equal(one.data, constants[one.name].data)  # also across the borders of shards


def test_a_fused_depthwise_convolution_counts_and_has_a_dtype(tiny: Path, tmp_path: Path) -> None:
    def change(found: Any, weights: list[Any]) -> None:
        for node in found.node:
            if node.op == "DepthwiseConv2dNative":
                node.op = "FusedDepthwiseConv2dNative"

    graph = read(write(tiny / "frozen.pb", tmp_path, change=change))
    fused = [node for node in graph.nodes if node.op == "FusedDepthwiseConv2dNative"]
    assert fused
    assert {graph.tensors[node.outputs[0]].dtype for node in fused} == {"float32"}
    assert sum(macs.count(graph, node) or 0 for node in graph.nodes) == 101_952
    assert not any(node.custom for node in fused)


def test_quantized_weights_have_a_scale(tiny: Path, tmp_path: Path) -> None:
    def change(found: Any, weights: list[Any]) -> None:
        kernel = max(weights, key=lambda one: int(np.prod(one["shape"])))
        kernel["quantization"] = {"dtype": "uint8", "scale": 0.5, "min": -64.0}
        weights.remove(kernel)
        weights.append(kernel)  # the last one, so that the others stay where they are

    path = write(tiny / "frozen.pb", tmp_path, change=None)
    model = json.loads(path.read_text())
    weights = model["weightsManifest"][0]["weights"]
    change(None, weights)
    path.write_text(json.dumps(model))
    found = [one for one in tfjs.read(path).tensors if one.scales]
    assert [(one.dtype, one.scales, one.zero_points) for one in found] == [("uint8", (0.5,), (128,))]
    assert found[0].bytes == found[0].elements


def broken(path: Path) -> str:
    with pytest.raises(StageFailed) as caught:
        tfjs.read(path)
    assert caught.value.reason == "broken_file"
    return str(caught.value)


def test_shards_that_are_short_missing_or_elsewhere(tiny: Path, tmp_path: Path) -> None:
    path = write(tiny / "frozen.pb", tmp_path)
    last = sorted(tmp_path.glob("*.bin"))[-1]
    last.write_bytes(last.read_bytes()[:-4])
    assert "shards end before" in broken(path)
    last.unlink()
    assert "No such file" in broken(path)
    text = path.read_text()
    path.write_text(text.replace(last.name, "../outside.bin"))
    assert "no plain file beside it" in broken(path)


def test_other_json(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for text, words in (
        ("{", "Expecting"),
        ("[]", "modelTopology"),
        ('{"modelTopology": {"model_config": {}}}', "layers model"),
        ('{"modelTopology": {"node": [{"name": "a", "op": "Relu", "input": ["b"]}]}}', "which is not there"),
        ('{"modelTopology": {"node": "?"}}', "not a sound"),
        ('{"modelTopology": {"node": []}, "weightsManifest": [{}]}', "paths"),
    ):
        path.write_text(text)
        assert words in broken(path)


def test_a_constant_without_a_weight(tiny: Path, tmp_path: Path) -> None:
    path = write(tiny / "frozen.pb", tmp_path)
    model = json.loads(path.read_text())
    model["weightsManifest"] = []
    path.write_text(json.dumps(model))
    assert "has no weight" in broken(path)
