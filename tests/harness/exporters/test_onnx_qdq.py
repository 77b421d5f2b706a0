"""TFLite to ONNX: the same integers, the same bits as XNNPACK, readable names, and the truth about what got lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import plugins
from harness.errors import StageFailed, UserError
from harness.exporters import onnx_qdq as exporter
from harness.exporters.contract import Artifact
from harness.graph import tflite
from harness.runtimes import litert, onnxruntime
from zoo import preprocessing

OUTPUTS = ["about", "kind", "where/xy"]


def converted(lab: Any, out: Path, scheme: str, **options: Any) -> tuple[Path, Artifact]:
    """Convert the lab's TFLite file of a scheme; return the file and what the exporter says of it."""
    out.mkdir()
    model = replace(lab.model(scheme), artifact=lab.made("tflite", scheme))
    made = exporter.export(model, plugins.options(exporter, {"method": "onnx_qdq", **options}), out)
    return out / made.file, made


def both(lab: Any, scheme: str, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the outputs of LiteRT with XNNPACK on the TFLite file and of ONNX Runtime on the other."""
    one = litert.open_session(lab.made("tflite", scheme), litert.Options(delegate="xnnpack"), 1)
    two = onnxruntime.open_session(path, onnxruntime.Options(), 1)
    images = preprocessing.apply(lab.images, "tf")
    results = [[session.run(image[None]) for image in images] for session in (one, two)]
    left, right = ({name: np.concatenate([row[name] for row in rows]) for name in rows[0]} for rows in results)
    return left, right


@pytest.mark.parametrize("scheme", ["int8", "int8_only", "uint8_only"])
@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_every_output_is_the_same_within_one_step(lab: Any, tmp_path: Path, scheme: str, activations: str) -> None:
    path, made = converted(lab, tmp_path / "out", scheme, activations=activations)
    assert made.values == {
        "opset": 13,
        "form": "the integers of the TFLite file, QDQ",
        "quantization_kept": True,
    }
    left, right = both(lab, scheme, path)
    assert sorted(left) == sorted(right) == OUTPUTS
    graph = tflite.read(lab.made("tflite", scheme))
    for name, value in left.items():
        number = graph.outputs[name]
        maker = graph.producers[number]
        step = graph.tensors[maker.inputs[0] if maker.op == "DEQUANTIZE" else number].scales[0]
        assert np.abs(value - right[name]).max() <= step * 1.001
        assert value.std() > step  # or else anything would be equal


@pytest.mark.parametrize("scheme", ["int8", "int8_only", "uint8_only"])
def test_uint8_makes_every_convolution_an_integer_kernel(lab: Any, tmp_path: Path, scheme: str) -> None:
    path, _ = converted(lab, tmp_path / "out", scheme)
    coverage = onnxruntime.open_session(path, onnxruntime.Options(), 1).coverage()
    assert coverage["integer_convs"] == 3
    assert coverage["float_convs"] == 0


def test_depthwise_kernels_keep_the_scale_of_each_channel(lab: Any, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    path, _ = converted(lab, tmp_path / "out", "int8")
    graph = onnx.load(str(path)).graph
    constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    (deep,) = (node for node in graph.node if any(a.name == "group" and a.i == 16 for a in node.attribute))
    kernel, scales, _ = (constants[name] for name in producers[deep.input[1]].input)
    assert kernel.shape == (16, 1, 3, 3)
    assert [a.i for a in producers[deep.input[1]].attribute if a.name == "axis"] == [0]
    before = tflite.read(lab.made("tflite", "int8"))
    (node,) = (node for node in before.nodes if node.op == "DEPTHWISE_CONV_2D")
    assert np.allclose(scales, before.tensors[node.inputs[1]].scales)
    assert len(set(scales.tolist())) == 16


def test_integer_ports_have_their_scale_in_the_file(lab: Any, tmp_path: Path) -> None:
    import onnx

    path, _ = converted(lab, tmp_path / "out", "uint8_only")
    proto = onnx.load(str(path))
    (text,) = (one.value for one in proto.metadata_props if one.key == exporter.PORTS)
    scaled = json.loads(text)
    assert sorted(scaled) == sorted([*OUTPUTS, "scan"])
    session = onnxruntime.open_session(path, onnxruntime.Options(), 1)
    assert [session.inputs[0].scale, session.inputs[0].zero_point] == pytest.approx(scaled["scan"])
    assert session.inputs[0].dtype == "uint8"


@pytest.mark.parametrize("scheme", ["float16", "none"])
def test_what_comes_out_as_float_says_so(lab: Any, tmp_path: Path, scheme: str) -> None:
    path, made = converted(lab, tmp_path / "out", scheme)
    assert "float32" in str(made.values["form"])
    assert made.values.get("quantization_kept") is (None if scheme == "none" else False)
    left, right = both(lab, scheme, path)
    for name, value in left.items():
        np.testing.assert_allclose(value, right[name], atol=1e-5)


def test_dynamic_keeps_int8_weights_in_the_file_and_computes_in_float(lab: Any, tmp_path: Path) -> None:
    """Kernels of 1,024 weights and more are int8 in both; LiteRT multiplies them by int8 activations, ONNX does not."""
    path, made = converted(lab, tmp_path / "out", "dynamic")
    assert made.values["quantization_kept"] is True
    assert made.values["form"] == "the int8 weights of the TFLite file, computed in float32"
    coverage = onnxruntime.open_session(path, onnxruntime.Options(), 1).coverage()
    assert (coverage["integer_convs"], coverage["float_convs"]) == (0, 3)
    left, right = both(lab, "dynamic", path)
    for name, value in left.items():
        assert np.abs(value - right[name]).max() <= 0.1


def test_sixteen_bit_activations_do_not_fit_opset_13(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"int64|int16"):
        converted(lab, tmp_path / "out", "int16x8")


def test_sixteen_bit_activations_do_not_fit_opset_21_either(lab: Any, tmp_path: Path) -> None:
    """DequantizeLinear takes int16 from 21 on, but the biases are int64, which it takes in none."""
    with pytest.raises(Exception, match="int64"):
        converted(lab, tmp_path / "out", "int16x8", opset=21)


@pytest.mark.parametrize("opset", [14, 18])
def test_the_opset_is_the_one_that_was_asked_for(lab: Any, tmp_path: Path, opset: int) -> None:
    assert converted(lab, tmp_path / "out", "int8", opset=opset)[1].values["opset"] == opset


def test_mistakes_are_told(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="opset"):
        plugins.options(exporter, {"method": "onnx_qdq", "opset": 22})
    with pytest.raises(StageFailed, match="no TFLite file") as caught:
        exporter.export(lab.model("int8"), exporter.Options(), tmp_path)
    assert caught.value.reason == "no_artifact"
