from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import StageFailed
from harness.graph import macs, saved_model


def test_reads_the_functions_behind_the_signature(tiny: Path) -> None:
    graph = saved_model.read(tiny / "saved_model")
    ops = Counter(node.op for node in graph.nodes)
    assert (ops["Conv2D"], ops["DepthwiseConv2dNative"], ops["MatMul"], ops["Relu6"]) == (2, 1, 1, 2)
    assert not {"SaveV2", "RestoreV2", "StatefulPartitionedCall", "VarHandleOp"} & set(ops)
    assert list(graph.inputs) == ["image"]
    assert list(graph.outputs) == ["scores"]
    output = graph.tensors[graph.outputs["scores"]]
    assert (output.dtype, output.shape) == ("float32", (1, 10))


def test_finds_shapes_and_sizes_of_variables(tiny: Path) -> None:
    graph = saved_model.read(tiny / "saved_model")
    assert sum(macs.count(graph, node) or 0 for node in graph.nodes) == 101_952
    kernels = {tensor.name: (tensor.shape, tensor.bytes) for _, tensor in macs.kernels(graph)}
    assert ((1, 1, 8, 160), 5120) in kernels.values()
    assert len(kernels) == 4


def test_without_the_signature_it_is_broken(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(StageFailed, match="no signature 'serving_default'") as caught:
        saved_model.read(tmp_path / "bare")
    assert caught.value.reason == "broken_file"


def test_missing_folder_is_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as caught:
        saved_model.read(tmp_path / "none")
    assert caught.value.reason == "broken_file"


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.37, 0.5, 0.72, 0.9, 0.99])
def test_truncated_file_is_a_broken_file(tiny: Path, tmp_path: Path, keep: float) -> None:
    copy = tmp_path / "cut"
    shutil.copytree(tiny / "saved_model", copy)
    content = (copy / "saved_model.pb").read_bytes()
    (copy / "saved_model.pb").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(StageFailed) as caught:
        saved_model.read(copy)
    assert caught.value.reason == "broken_file"
