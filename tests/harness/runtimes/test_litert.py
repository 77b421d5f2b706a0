"""LiteRT on real artifacts: names, quantized input and output, delegates, batches, broken files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import Unsupported
from harness.graph import tflite
from harness.runtimes import litert
from harness.runtimes.litert import Options

DELEGATES = ("none", "xnnpack", "reference")


def run_all(session: Any, images: np.ndarray, batch: int = 1) -> dict[str, np.ndarray]:
    parts = [session.run(images[i : i + batch]) for i in range(0, len(images), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("delegate", DELEGATES)
def test_float_equals_tensorflow_under_signature_names(artifacts: Any, delegate: Any) -> None:
    session = litert.open_session(artifacts["none.tflite"], Options(delegate), 1)
    found = run_all(session, artifacts.images)
    assert [(one.name, one.shape, one.dtype) for one in session.inputs] == [("image", (1, 16, 16, 3), "float32")]
    assert {one.name: one.shape for one in session.outputs} == {"scores": (1, 7), "logits": (1, 7)}
    assert set(found) == {"scores", "logits"}
    for name, value in found.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, artifacts.reference[name], atol=2e-5)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("delegate", DELEGATES)
def test_tensorflow_lite_takes_the_place_of_litert(
    artifacts: Any, delegate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = artifacts["int8.tflite"]
    usual, read = litert.open_session(file, Options(delegate), 1), tflite.read(file)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    older = litert.open_session(file, Options(delegate), 1)
    assert type(older._interpreter).__module__.startswith("tensorflow.lite")
    assert (older.inputs, older.outputs) == (usual.inputs, usual.outputs)
    found = run_all(older, artifacts.images)
    for name, value in run_all(usual, artifacts.images).items():
        np.testing.assert_allclose(found[name], value, atol=0.02 * np.ptp(value))
    assert older.coverage().keys() == usual.coverage().keys()
    assert [node.op for node in tflite.read(file).nodes] == [node.op for node in read.nodes]


@pytest.mark.parametrize("delegate", DELEGATES)
@pytest.mark.parametrize("scheme", ["int8", "int8_only", "uint8_only"])
def test_integer_artifacts_are_close_in_float(artifacts: Any, scheme: str, delegate: Any) -> None:
    session = litert.open_session(artifacts[f"{scheme}.tflite"], Options(delegate), 1)
    found = run_all(session, artifacts.images)
    span = np.ptp(artifacts.reference["logits"])
    np.testing.assert_allclose(found["logits"], artifacts.reference["logits"], atol=0.05 * span)
    np.testing.assert_allclose(found["scores"], artifacts.reference["scores"], atol=0.05)
    agreed = found["logits"].argmax(axis=1) == artifacts.reference["logits"].argmax(axis=1)
    assert agreed.mean() >= 0.75


@pytest.mark.parametrize(("scheme", "dtype"), [("int8_only", "int8"), ("uint8_only", "uint8")])
def test_integer_outputs_are_multiples_of_their_scale(artifacts: Any, scheme: str, dtype: str) -> None:
    session = litert.open_session(artifacts[f"{scheme}.tflite"], Options(), 1)
    assert session.inputs[0].dtype == dtype
    assert session.inputs[0].scale == pytest.approx(2 / 255, rel=0.02)
    found = session.run(artifacts.images[:1])
    for spec in session.outputs:
        assert spec.dtype == dtype
        assert spec.scale is not None
        stored = found[spec.name] / np.float32(spec.scale) + spec.zero_point
        np.testing.assert_allclose(stored, np.rint(stored), atol=1e-3)
        assert np.iinfo(dtype).min <= stored.min() <= stored.max() <= np.iinfo(dtype).max


def test_float_io_has_no_scale(artifacts: Any) -> None:
    session = litert.open_session(artifacts["int8.tflite"], Options(), 1)
    assert all(one.dtype == "float32" and one.scale is None for one in (*session.inputs, *session.outputs))


def test_invoke_computes_on_what_was_prepared(artifacts: Any) -> None:
    session = litert.open_session(artifacts["none.tflite"], Options("xnnpack"), 2)
    expected = session.run(artifacts.images[1:2])["logits"]
    session.run(artifacts.images[:1])
    session.prepare(artifacts.images[1:2])
    session.invoke()
    index = [one.name for one in session.outputs].index("logits")
    assert (session._interpreter.get_tensor(session._outputs[index]) == expected).all()


def test_a_float_net_is_delegated_whole(artifacts: Any) -> None:
    found = litert.open_session(artifacts["none.tflite"], Options("xnnpack"), 1).coverage()
    assert found == {"delegate_applied": True, "partitions": 1, "undelegated_ops": 0, "undelegated": {}}


def test_dynamic_range_depthwise_stays_outside_the_delegate(artifacts: Any) -> None:
    found = litert.open_session(artifacts["dynamic.tflite"], Options("xnnpack"), 1).coverage()
    assert found["undelegated"] == {"DEPTHWISE_CONV_2D": 1}
    assert found["undelegated_ops"] == 1
    assert found["partitions"] == 2


def test_int8_softmax_stays_outside_the_delegate(artifacts: Any) -> None:
    found = litert.open_session(artifacts["int8_only.tflite"], Options("xnnpack"), 1).coverage()
    assert "SOFTMAX" in found["undelegated"]
    assert "CONV_2D" not in found["undelegated"]


@pytest.mark.parametrize("delegate", ["none", "reference"])
def test_without_a_delegate_there_is_no_coverage(artifacts: Any, delegate: Any) -> None:
    assert litert.open_session(artifacts["none.tflite"], Options(delegate), 1).coverage() == {}


@pytest.mark.parametrize("change", [AttributeError("gone"), KeyError("op_name")])
def test_another_litert_degrades_with_a_reason(artifacts: Any, change: Exception, monkeypatch: Any) -> None:
    session = litert.open_session(artifacts["none.tflite"], Options("xnnpack"), 1)

    def fail(self: Any) -> None:
        raise change

    monkeypatch.setattr(type(session._interpreter), "_get_ops_details", fail)
    assert set(session.coverage()) == {"reason"}


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"op_name": name, "inputs": inputs, "outputs": outputs}


def test_covered_walks_back_to_the_delegates_inputs_only() -> None:
    chain = [node("A", [0], [1]), node("B", [1], [2]), node("C", [2], [3]), node("D", [3, 1], [4])]
    assert litert.covered(chain) == {
        "delegate_applied": False,
        "partitions": 0,
        "undelegated_ops": 4,
        "undelegated": {"A": 1, "B": 1, "C": 1, "D": 1},
    }
    around_c = [node("DELEGATE", [0], [1, 2]), node("TfLiteXNNPackDelegate", [3, 1], [4])]
    found = litert.covered(chain + around_c)
    assert (found["partitions"], found["undelegated"]) == (2, {"C": 1})


@pytest.mark.parametrize("delegate", ["none", "xnnpack"])
def test_a_larger_batch_gives_the_same_rows(artifacts: Any, delegate: Any) -> None:
    session = litert.open_session(artifacts["none.tflite"], Options(delegate, batch=3), 1)
    assert session.inputs[0].shape == (3, 16, 16, 3)
    assert {one.shape for one in session.outputs} == {(3, 7)}
    found = run_all(session, artifacts.images, batch=3)  # the last batch is not full
    np.testing.assert_allclose(found["logits"], artifacts.reference["logits"], atol=2e-5)


def test_a_baked_batch_is_unsupported_in_litert_s_words(artifacts: Any) -> None:
    assert litert.open_session(artifacts["baked.tflite"], Options(), 1).run(artifacts.images[:1])
    with pytest.raises(Unsupported, match="batch 3: ") as caught:
        litert.open_session(artifacts["baked.tflite"], Options(batch=3), 1)
    assert caught.value.reason == "batch_resize"


@pytest.mark.parametrize("size", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_an_error_not_a_crash(artifacts: Any, tmp_path: Path, size: float) -> None:
    content = artifacts["none.tflite"].read_bytes()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(content[: int(size if size >= 1 else size * len(content))])
    with pytest.raises((ValueError, RuntimeError)):
        litert.open_session(broken, Options(), 1)
