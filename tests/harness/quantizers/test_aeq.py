"""ai-edge-quantizer on a float TFLite file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed
from harness.exporters import onnx_qdq
from harness.exporters import tflite as exporter
from harness.exporters.contract import Model
from harness.metrics import audit
from harness.quantizers import aeq
from harness.quantizers.contract import Source
from harness.runtimes import litert, onnxruntime
from zoo import preprocessing


@pytest.fixture(scope="module")
def floating(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The trained net as a float TFLite file."""
    source = Source(trained / "source", trained / "dataset")
    out = tmp_path_factory.mktemp("tflite")
    model = Model(source.saved_model, source.info, {"scheme": "none"}, trained / "dataset" / "calibration_images.npy")
    exporter.export(model, exporter.Options(), out)
    return replace(model, artifact=out / "model.tflite")


def rewritten(options: aeq.Options, floating: Model, source: Source, out: Path) -> tuple[Any, float, dict[str, Any]]:
    """Return the audit, the accuracy and what the delegate takes."""
    recipe = aeq.quantize(source, options, out)
    file = out / aeq.rewrite(replace(floating, recipe=recipe), out).file
    session = litert.open_session(file, litert.Options(delegate="xnnpack"), 1)
    images = preprocessing.apply(np.load(source.dataset / "eval_images.npy"), "tf")
    scores = np.concatenate([session.run(image[None])["predictions"] for image in images])
    top1 = float((scores.argmax(1) == np.load(source.dataset / "eval_labels.npy")).mean())
    return audit.measure(file, "tflite"), top1, session.coverage()


@pytest.mark.filterwarnings("ignore:Warning. Enabling:UserWarning")  # of its calibrator, which keeps all tensors
def test_static_is_int8_with_float_input(floating: Model, source: Source, tmp_path: Path) -> None:
    found, top1, _ = rewritten(aeq.Options("static"), floating, source, tmp_path)
    assert found.values["int8_mac_share"] == 1
    assert found.values["input_dtype"] == found.values["output_dtype"] == "float32"
    assert found.values["per_channel"]
    assert top1 >= 0.95


@pytest.mark.parametrize("float_depthwise", [False, True])
def test_dynamic_keeps_one_partition_when_depthwise_stays_float(
    floating: Model, source: Source, tmp_path: Path, float_depthwise: bool
) -> None:
    options = aeq.Options("dynamic", float_depthwise=float_depthwise)
    found, top1, coverage = rewritten(options, floating, source, tmp_path)
    assert found.values["hybrid_mac_share"] > 0.5
    deep = found.details["ops"]["DEPTHWISE_CONV_2D"]
    assert deep == ({"float32": 1} if float_depthwise else {"float32×int8": 1})
    assert coverage["undelegated"].get("DEPTHWISE_CONV_2D", 0) == (0 if float_depthwise else 1)
    assert coverage["partitions"] == (1 if float_depthwise else 2)
    assert top1 >= 0.95


def test_it_takes_tflite_and_says_what_is_missing(floating: Model, source: Source, tmp_path: Path) -> None:
    assert aeq.refuses(aeq.Options("static"), "tflite") is None
    assert "TFLite files" in (aeq.refuses(aeq.Options("static"), "onnx") or "")
    with pytest.raises(StageFailed, match="no calibration images"):
        aeq.quantize(replace(source, dataset=tmp_path), aeq.Options("static"), tmp_path)
    recipe = aeq.quantize(source, aeq.Options("dynamic"), tmp_path)
    with pytest.raises(StageFailed, match="no TFLite file"):
        aeq.rewrite(replace(floating, recipe=recipe, artifact=None), tmp_path)


@pytest.mark.filterwarnings("ignore:Warning. Enabling:UserWarning")
def test_static_goes_on_to_onnx_and_says_the_same_there(floating: Model, source: Source, tmp_path: Path) -> None:
    """Weights behind the flatbuffer, empty code fields and taken names are what tf2onnx cannot read."""
    recipe = aeq.quantize(source, aeq.Options("static"), tmp_path)
    file = tmp_path / aeq.rewrite(replace(floating, recipe=recipe), tmp_path).file
    made = onnx_qdq.export(replace(floating, artifact=file, recipe=recipe), onnx_qdq.Options(), tmp_path)
    sessions = (
        litert.open_session(file, litert.Options(delegate="xnnpack"), 1),
        onnxruntime.open_session(tmp_path / made.file, onnxruntime.Options(), 1),
    )
    images = preprocessing.apply(np.load(source.dataset / "eval_images.npy"), "tf")[:50]
    ours, theirs = (np.concatenate([one.run(image[None])["predictions"] for image in images]) for one in sessions)
    assert made.values["quantization_kept"]
    assert np.abs(ours - theirs).max() <= 1.01 / 256
