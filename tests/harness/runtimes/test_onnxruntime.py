"""ONNX Runtime on small graphs: bound input and outputs, batches, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import processor
from harness.errors import Unsupported
from harness.runtimes import onnxruntime
from harness.runtimes.onnxruntime import Options


def expected(images: np.ndarray) -> np.ndarray:
    head = np.random.default_rng(7).normal(size=(3, 7)).astype(np.float32)
    powers = np.exp(images.mean(axis=(1, 2)) @ head)
    result: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return result


@pytest.mark.parametrize("file", ["fixed.onnx", "free.onnx"])
def test_scores_are_those_of_the_graph(artifacts: Any, file: str) -> None:
    session = onnxruntime.open_session(artifacts[file], Options(), 1)
    assert [(one.name, one.shape) for one in session.inputs] == [("image", (1, 16, 16, 3))]
    assert [(one.name, one.shape) for one in session.outputs] == [("scores", (1, 7))]
    found = [session.run(image[None])["scores"].copy() for image in artifacts.images]
    np.testing.assert_allclose(np.concatenate(found), expected(artifacts.images), atol=1e-6)
    assert found[0].dtype == np.float32


def test_results_of_one_run_survive_the_next(artifacts: Any) -> None:
    session = onnxruntime.open_session(artifacts["fixed.onnx"], Options(), 1)
    first = session.run(artifacts.images[:1])["scores"]
    before = first.copy()
    session.run(artifacts.images[1:2])
    assert (first == before).all()


def test_invoke_fills_the_bound_output(artifacts: Any) -> None:
    session = onnxruntime.open_session(artifacts["fixed.onnx"], Options(), 2)
    session.prepare(artifacts.images[2:3])
    session.invoke()
    np.testing.assert_allclose(session._arrays[0], expected(artifacts.images[2:3]), atol=1e-6)
    coverage = session.coverage()
    assert (coverage["integer_convs"], coverage["float_convs"], coverage["inserted_transposes"]) == (0, 0, 0)
    assert sum(coverage["optimized_ops"].values()) > 0


def test_a_free_batch_is_set_and_a_fixed_one_unsupported(artifacts: Any) -> None:
    session = onnxruntime.open_session(artifacts["free.onnx"], Options(batch=3), 1)
    np.testing.assert_allclose(session.run(artifacts.images[:2])["scores"], expected(artifacts.images[:2]), atol=1e-6)
    with pytest.raises(Unsupported, match="fixed") as caught:
        onnxruntime.open_session(artifacts["fixed.onnx"], Options(batch=3), 1)
    assert caught.value.reason == "fixed_batch"


def test_an_integer_input_has_no_scale(artifacts: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        onnxruntime.open_session(artifacts["integer.onnx"], Options(), 1)
    assert caught.value.reason == "unscaled_integer"


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(Exception, match=r"(?i)protobuf"):
        onnxruntime.open_session(tmp_path / "model.onnx", Options(), 1)


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution over 256 channels whose products of 8-bit numbers, two of them, do not fit in 16 bits."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).choice([-127, 127], size=(8, 256, 3, 3)).astype(np.int8)
    constants = {
        "scale": np.float32(1 / 255), "zero": np.uint8(0), "kernel": weights,
        "kernel_scale": np.full(8, 0.01, np.float32),
        "kernel_zero": np.zeros(8, np.int8), "scale_out": np.float32(3), "zero_out": np.uint8(128),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"]),
        helper.make_node("DequantizeLinear", ["kernel", "kernel_scale", "kernel_zero"], ["c"], axis=0),
        helper.make_node("Conv", ["b", "c"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["d", "scale_out", "zero_out"], ["e"]),
        helper.make_node("DequantizeLinear", ["e", "scale_out", "zero_out"], ["scores"]),
    ]
    given = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 256, 6, 6])]
    wanted = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 8, 6, 6])]
    inits = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "overflowing", given, wanted, inits)
    file = tmp_path_factory.mktemp("sums") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(file))
    return file


def test_int8_sums_are_right_whatever_the_processor_has_and_wrong_only_on_demand(overflowing: Path) -> None:
    weights = np.random.default_rng(0).choice([-127, 127], size=(8, 256, 3, 3))
    image = np.full((1, 256, 6, 6), 1.0, np.float32)
    inside = weights.sum(axis=(1, 2, 3)) * 0.01  # away from the padded edge
    wanted = (np.clip(np.rint(inside / 3) + 128, 0, 255) - 128) * 3
    found = {}
    for sums in ("exact", "saturating"):
        session = onnxruntime.open_session(overflowing, Options(int8_sums=sums), 1)
        found[sums] = session.run(image)["scores"][0, :, 2, 2].copy()
        coverage = session.coverage()
        assert coverage["integer_convs"] == 1
        assert coverage["int8_sums"] == ("native" if processor.adds_int8_without_saturation() else sums)
    np.testing.assert_array_equal(found["exact"], wanted.astype(np.float32))
    overflows = not np.array_equal(found["saturating"], found["exact"])
    assert overflows != processor.adds_int8_without_saturation()
