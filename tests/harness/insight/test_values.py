"""Values between layers of real files: a layer that was broken on purpose is the one that is named, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.insight import errors, onnx, pairing, tflite
from zoo import preprocessing


def compared(module: Any, quantized: Path, floating: Path, images: Any) -> list[errors.Layer]:
    comparison = pairing.Comparison(module.Values(quantized), module.Values(floating))
    for image in preprocessing.apply(images, "tf"):
        comparison.add(image[None])
    layers = comparison.layers()
    assert comparison.computed() == len(layers)
    return layers


MODULES = {"tflite": tflite, "onnx": onnx}


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_kernel_that_one_scale_cannot_bear_is_named(exported: dict[str, Path], images: Any, kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} tensor"], exported[f"{kind} none"], images)
    assert len(found) >= 5
    bad = errors.worst(found)[0]
    assert "broken" in bad.name or "after" in bad.name
    guilty = next(one for one in found if "broken" in one.name)
    assert guilty.channel_spread is not None
    assert guilty.channel_spread > 100
    assert guilty.weight_scale_min == guilty.weight_scale_max
    broken = errors.first_broken(found, 15)
    assert broken is not None
    assert broken.position >= guilty.position


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_scale_for_each_channel_is_told(exported: dict[str, Path], images: Any, kind: str) -> None:
    one, two = (
        {
            layer.name: layer
            for layer in compared(MODULES[kind], exported[f"{kind} {name}"], exported[f"{kind} none"], images)
        }
        for name in ("channels", "tensor")
    )
    assert "predictions" in one  # the output itself is compared as well
    name = next(name for name in two if "after" in name)
    assert (one[name].sqnr_db or 0) > (two[name].sqnr_db or 0)
    deep = next(layer for layer in one.values() if "broken" in layer.name)
    assert deep.weight_scale_min is not None
    assert deep.weight_scale_max is not None
    assert deep.weight_scale_max > 100 * deep.weight_scale_min


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_graph_against_itself_is_perfect(exported: dict[str, Path], images: Any, kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} none"], exported[f"{kind} none"], images)
    assert {one.sqnr_db for one in found} == {errors.CEILING_DB}


@pytest.mark.parametrize("layer", ["stem", "first", "broken", "after"])
def test_both_formats_tell_the_same_of_the_same_integers(exported: dict[str, Path], images: Any, layer: str) -> None:
    ratios = []
    for kind in ("tflite", "onnx"):
        found = compared(MODULES[kind], exported[f"{kind} channels"], exported[f"{kind} none"], images)
        ratios.append(next(one.sqnr_db for one in found if f"{layer}/" in one.name))
    assert ratios[0] == pytest.approx(ratios[1], abs=1.5)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("net/Conv1/Relu6;net/bn/FusedBatchNormV3;net/Conv1/Conv2D", "Conv1/Relu6;bn/FusedBatchNormV3;Conv1/Conv2D"),
        ("model_2/Conv1/Relu6", "Conv1/Relu6"),
        ("predictions", "predictions"),
    ],
)
def test_the_name_of_the_model_is_no_part_of_a_layers_name(name: str, key: str) -> None:
    assert tflite.key(name) == key


def test_integers_of_qlinear_operators_are_told_as_real_numbers(tmp_path: Path, images: Any) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader

    class Given(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(images_of(images))

        def get_next(self) -> Any:
            return next(self.left, None)

    floating = residual(tmp_path / "float.onnx")
    words = {"quant_format": QuantFormat.QOperator, "activation_type": QuantType.QUInt8}
    quantize_static(floating, tmp_path / "int8.onnx", Given(), **words)
    own = onnx.Values(tmp_path / "int8.onnx")
    assert {"QLinearConv", "com.microsoft.QLinearAdd"} <= {node.op for node in own.graph.nodes}
    comparison = pairing.Comparison(own, onnx.Values(floating))
    for one in images_of(images):
        comparison.add(one["image"])
    found = {layer.name: layer for layer in comparison.layers()}
    assert len(found) >= 4
    assert min(layer.sqnr_db or 0 for layer in found.values()) > 25
    assert {layer.dtype for layer in found.values()} == {"uint8"}


def images_of(images: Any) -> list[dict[str, Any]]:
    return [{"image": one[None].transpose(0, 3, 1, 2)} for one in preprocessing.apply(images, "tf")]


def residual(path: Path) -> Path:
    """Write a net of two convolutions, of which the second is added to the first."""
    from onnx import TensorProto, helper, numpy_helper, save

    random = np.random.default_rng(1)
    weights = [random.normal(0, 0.3, shape).astype(np.float32) for shape in ((8, 3, 3, 3), (8, 8, 3, 3))]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["net/one/Conv2D"], pads=[1] * 4),
        helper.make_node("Relu", ["net/one/Conv2D"], ["net/one/Relu"]),
        helper.make_node("Conv", ["net/one/Relu", "w1"], ["net/two/Conv2D"], pads=[1] * 4),
        helper.make_node("Add", ["net/one/Relu", "net/two/Conv2D"], ["net/add/add"]),
        helper.make_node("MaxPool", ["net/add/add"], ["net/pool/MaxPool"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("net/pool/MaxPool", TensorProto.FLOAT, [1, 8, 8, 8])],
        [numpy_helper.from_array(one, f"w{number}") for number, one in enumerate(weights)],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def saved(path: Path, nodes: list[Any], outputs: dict[str, int], constants: dict[str, Any] | None = None) -> Path:
    from onnx import TensorProto, helper, numpy_helper, save

    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_odd_graphs_are_read(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    image = np.array([[-1.0, 0.5, 2.0, 3.0]], np.float32)
    two = numpy_helper.from_array(np.float32(2.0), "v")
    scaled = [
        helper.make_node("Constant", [], ["k"], value=two),
        helper.make_node("Mul", ["x", "k"], ["net/a/mul"]),
        helper.make_node("Clip", ["net/a/mul", "", "net/b/max"], ["net/c/Clip"]),
    ]
    values = onnx.Values(
        saved(tmp_path / "scaled.onnx", scaled, {"net/c/Clip": TensorProto.FLOAT}, {"net/b/max": np.float32(1)})
    )
    assert values.about()["net/c/Clip"].op == "Mul"
    np.testing.assert_allclose(values.run(image)["net/c/Clip"], [[-2.0, 1.0, 1.0, 1.0]])
    whole = [helper.make_node("ArgMax", ["x"], ["y"], axis=1)]
    none = onnx.Values(saved(tmp_path / "whole.onnx", whole, {"y": TensorProto.INT64}))
    assert none.run(image) == {}
    both = [helper.make_node("Neg", ["x"], ["net/a/Neg"]), helper.make_node("Relu", ["net/a/Neg"], ["net/b/Relu"])]
    ports = dict.fromkeys(("net/a/Neg", "net/b/Relu"), TensorProto.FLOAT)
    found = onnx.Values(saved(tmp_path / "both.onnx", both, ports)).run(image)
    np.testing.assert_allclose(found["net/a/Neg"], -image)  # an output is itself, not what follows it
    np.testing.assert_allclose(found["net/b/Relu"], np.maximum(-image, 0))
