"""Real conversions to ONNX: readable names, the opset that was asked for, the same numbers, and clean refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import plugins, to_onnx
from harness.errors import StageFailed, Unsupported, UserError
from harness.exporters import onnx as exporter
from harness.exporters.contract import Model
from zoo import network, saved_model


def run(path: Path, images: Any) -> dict[str, Any]:
    """Run ONNX Runtime on uint8 (N, H, W, C), one by one; name → (N, …)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"scan": (image[None] / 127.5 - 1).astype(np.float32)}) for image in images]
    return {name: np.concatenate([row[i] for row in rows]) for i, name in enumerate(names)}


def toy(folder: Path, outputs: Callable[[Any], dict[str, Any]]) -> Model:
    """A model of 4×4×1 pictures whose outputs are made from the sum of the pixels."""
    import tensorflow as tf

    made = network.Network(lambda image: outputs(tf.reduce_sum(image, [1, 2])), [], (4, 4, 1))
    saved_model.save(made, folder / "saved_model")
    return Model(folder / "saved_model", {}, {"scheme": "none"}, folder)


@pytest.mark.parametrize("opset", [13, 18])
def test_names_opset_and_numbers(lab: Any, tmp_path: Path, opset: int) -> None:
    import onnx

    path, artifact = lab.export("onnx", tmp_path / "out", options={"opset": opset})
    assert artifact.values == {"opset": opset}
    proto = onnx.load(str(path))
    onnx.checker.check_model(proto, full_check=True)
    assert {entry.domain: entry.version for entry in proto.opset_import}[""] == opset
    assert [one.name for one in proto.graph.input] == ["scan"]
    assert [dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim] == [1, 16, 16, 3]
    found = run(path, lab.images)
    assert sorted(found) == ["about", "kind", "where/xy"]
    for name, value in found.items():
        np.testing.assert_allclose(value, lab.reference[name], rtol=0, atol=1e-5)


def test_the_file_is_all_there_is(lab: Any) -> None:
    """No weights outside of it, no operators outside ONNX, batch normalization folded away."""
    import onnx

    path = lab.made("onnx")
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    nodes = onnx.load(str(path)).graph.node
    assert {node.domain for node in nodes} <= {"", "ai.onnx"}
    assert "BatchNormalization" not in {node.op_type for node in nodes}
    assert sum(node.op_type == "Conv" for node in nodes) == 3


def test_one_channel(gray: Any) -> None:
    found = run(gray.made("onnx"), gray.images)
    for name, value in found.items():
        np.testing.assert_allclose(value, gray.reference[name], rtol=0, atol=1e-5)


def test_two_outputs_that_are_one_tensor_are_both_there(tmp_path: Path) -> None:
    model = toy(tmp_path, lambda total: {"total": total, "sum": total})
    exporter.export(model, exporter.Options(), tmp_path)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert [float(value.item()) for value in session.run(["sum", "total"], {"image": image})] == [120.0, 120.0]


def test_an_output_that_is_named_as_the_input_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="image") as caught:
        exporter.export(toy(tmp_path, lambda total: {"image": total}), exporter.Options(), tmp_path)
    assert caught.value.reason == "name_clash"


@pytest.mark.parametrize("opset", [12, 19, "13"])
def test_an_opset_out_of_range_is_refused(opset: Any) -> None:
    with pytest.raises(UserError, match="opset"):
        plugins.options(exporter, {"method": "onnx", "opset": opset})


def test_a_file_that_is_not_what_was_asked_for_is_no_artifact(lab: Any) -> None:
    path = lab.made("onnx")
    outputs = ["about", "kind", "where/xy"]
    assert to_onnx.verify(path, 13, ["scan"], outputs) == 13
    with pytest.raises(StageFailed, match="opset 13, asked for 14") as caught:
        to_onnx.verify(path, 14, ["scan"], outputs)
    assert caught.value.reason == "wrong_opset"
    with pytest.raises(StageFailed, match="scan") as caught:
        to_onnx.verify(path, 13, ["image"], outputs)
    assert caught.value.reason == "lost_names"


def test_an_operation_that_onnx_does_not_have_fails_by_its_name(tmp_path: Path) -> None:
    def beta(total: Any) -> dict[str, Any]:
        import tensorflow as tf

        return {"found": tf.raw_ops.Betainc(a=total, b=total, x=total)}

    with pytest.raises(Exception, match="Betainc"):
        exporter.export(toy(tmp_path, beta), exporter.Options(), tmp_path)


def test_a_pass_of_the_optimizer_that_throws_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MobileNetV3's hard-swish adds one number to a convolution: tf2onnx's pass for transposes breaks on it."""
    import onnx

    from zoo import architectures

    keras = architectures.build("MobileNetV3Small", (32, 32, 3), 10)
    saved_model.save(network.from_keras(keras, (32, 32, 3)), tmp_path / "saved_model")
    out = tmp_path / "out"
    out.mkdir()
    exporter.export(Model(tmp_path / "saved_model", {}, {"scheme": "none"}, tmp_path), exporter.Options(), out)
    assert "an optimizer pass failed" in caplog.text
    onnx.checker.check_model(str(out / "model.onnx"), full_check=True)


def test_between_a_rounding_and_a_convolution_of_small_maps_stands_nothing(tmp_path: Path) -> None:
    """A transpose of 1×1 maps becomes a reshape to the shape that they have: behind it nothing runs in int8."""
    import onnx
    import onnxruntime
    import tensorflow as tf

    draw = np.random.default_rng(0)
    kernels = [tf.constant(draw.integers(-127, 128, (side, side, 3, 3)) / 127, tf.float32) for side in (4, 1, 1)]
    ones = tf.ones([3])

    def call(image: Any) -> dict[str, Any]:
        for kernel in kernels:
            image = tf.quantization.fake_quant_with_min_max_args(image, -1, 3)
            image, *_ = tf.compat.v1.nn.fused_batch_norm(
                tf.nn.conv2d(image, kernel, 1, "VALID"), ones, ones / 2, ones, ones, epsilon=1e-3, is_training=False
            )
            image = tf.nn.relu6(image)
        return {"found": tf.quantization.fake_quant_with_min_max_args(image, -1, 3)}

    picture = draw.uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32)
    saved_model.save(network.Network(call, [], (4, 4, 3)), tmp_path / "saved_model")
    exporter.export(Model(tmp_path / "saved_model", {}, {"on_grid": True}, tmp_path), exporter.Options(), tmp_path)
    nodes = onnx.load(str(tmp_path / "model.onnx")).graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert [made_by[node.input[0]] for node in convolutions] == ["Transpose", "DequantizeLinear", "DequantizeLinear"]
    taken_by = {name: node.op_type for node in nodes for name in node.input}
    assert [taken_by[node.output[0]] for node in convolutions] == ["Clip"] * 3
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: picture})
    assert np.abs(found - call(tf.constant(picture))["found"].numpy()).max() <= 4 / 255 + 1e-6  # one step
