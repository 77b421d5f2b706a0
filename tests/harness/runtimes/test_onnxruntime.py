"""ONNX Runtime on small graphs: bound input and outputs, batches, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
