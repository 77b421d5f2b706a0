"""ONNX Runtime's own quantization of a float ONNX file, static and dynamic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from harness import processor
from harness.errors import StageFailed, Unsupported
from harness.exporters import onnx as exporter
from harness.exporters.contract import Model
from harness.metrics import audit
from harness.quantizers import ort_dynamic, ort_static
from harness.quantizers.contract import Source
from harness.runtimes import onnxruntime
from zoo import preprocessing


@pytest.fixture(scope="module")
def floating(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The trained net as a float ONNX file."""
    source = Source(trained / "source", trained / "dataset")
    out = tmp_path_factory.mktemp("onnx")
    model = Model(source.saved_model, source.info, {"scheme": "none"}, trained / "dataset" / "calibration_images.npy")
    exporter.export(model, exporter.Options(), out)
    return replace(model, artifact=out / "model.onnx")


def rewritten(module: Any, options: Any, floating: Model, source: Source, out: Path) -> tuple[Path, dict[str, Any]]:
    recipe = module.quantize(source, options, out)
    made = module.rewrite(replace(floating, recipe=recipe), out)
    return out / made.file, made.values


def accuracy(file: Path, source: Source) -> float:
    session = onnxruntime.open_session(file, onnxruntime.Options(), 1)
    images = preprocessing.apply(np.load(source.dataset / "eval_images.npy"), "tf")
    scores = np.concatenate([session.run(image[None])["predictions"] for image in images])
    return float((scores.argmax(1) == np.load(source.dataset / "eval_labels.npy")).mean())


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"activations": "int8"},
        {"per_channel": False},
        {"form": "qoperator"},
        {"reduce_range": "yes"},
        {"calibrator": "entropy"},
        {"calibrator": "percentile", "percentile": 99.9},
    ],
)
def test_static_is_int8_and_keeps_the_accuracy(
    floating: Model, source: Source, tmp_path: Path, changed: dict[str, Any]
) -> None:
    options = ort_static.Options(**changed)
    file, values = rewritten(ort_static, options, floating, source, tmp_path)
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["model.onnx"]
    assert values["opset"] == 13
    assert options.form.upper() in str(values["form"])
    found = audit.measure(file, "onnx")
    if options.form == "qdq":
        assert found.values["int8_mac_share"] == 1
        assert found.values["per_channel"] is options.per_channel
    else:  # nobody infers shapes behind ONNX Runtime's own operators
        assert "shapes" in found.missing["int8_mac_share"]
        assert found.details["ops"]["QLinearConv"]
    assert accuracy(file, source) >= 0.9


def test_a_reduced_range_keeps_weights_to_seven_bits(floating: Model, source: Source, tmp_path: Path) -> None:
    from harness.graph import onnx
    from harness.graph.macs import kernels

    file, _ = rewritten(ort_static, ort_static.Options(reduce_range="yes"), floating, source, tmp_path)
    found = [tensor for _, tensor in kernels(onnx.read(file)) if tensor.dtype == "int8"]
    stored = [tensor.data for tensor in found if tensor.data is not None]
    assert stored
    assert max(int(np.abs(one.astype(int)).max()) for one in stored) <= 64


def test_the_processor_decides_on_auto(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for exact in (True, False):
        monkeypatch.setattr(processor, "adds_int8_without_saturation", lambda exact=exact: exact)
        recipe = ort_static.quantize(source, ort_static.Options(), tmp_path)
        assert recipe["reduce_range"] is recipe["facts"]["reduce_range"] is not exact
        assert ort_static.machine() == {"int8_without_saturation": exact}


def test_a_file_with_shared_constants_opens_where_weights_become_uint8(
    floating: Model, source: Source, tmp_path: Path
) -> None:
    """An untrained batch normalization has ones twice, as its factor and its variance; converters store them once."""
    images = np.load(floating.calibration)
    channels = images.shape[-1]
    given = [onnx.helper.make_tensor_value_info(source.info["input"]["name"], 1, [1, *images.shape[1:]])]
    wanted = [onnx.helper.make_tensor_value_info("predictions", 1, [1, 4, *images.shape[1:3]])]
    nodes = [
        onnx.helper.make_node("Transpose", [given[0].name], ["a"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Relu", ["a"], ["b"]),
        onnx.helper.make_node("BatchNormalization", ["b", "ones", "zeros", "zeros", "ones"], ["c"]),
        onnx.helper.make_node("Relu", ["c"], ["d"]),
        onnx.helper.make_node("Conv", ["d", "kernel"], ["predictions"], pads=[1, 1, 1, 1]),
    ]
    constants = {
        "ones": np.ones(channels, np.float32), "zeros": np.zeros(channels, np.float32),
        "kernel": np.random.default_rng(0).normal(size=(4, channels, 3, 3)).astype(np.float32),
    }  # fmt: skip
    inits = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = onnx.helper.make_graph(nodes, "shared", given, wanted, inits)
    shared = replace(floating, artifact=tmp_path / "shared.onnx")
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8),
        tmp_path / "shared.onnx",
    )
    file, _ = rewritten(ort_static, ort_static.Options(), shared, source, tmp_path)
    found = []
    for changed in (False, True):
        settings = ort.SessionOptions()
        if changed:
            settings.add_session_config_entry(*processor.ORT_EXACT_INT8)
        session = ort.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
        found.append(session.run(None, {given[0].name: images[:1].astype(np.float32)})[0])
    assert np.abs(found[0] - found[1]).max() <= 0.02 * np.ptp(found[0])


def test_dynamic_is_for_matrix_products_alone(floating: Model, source: Source, tmp_path: Path) -> None:
    file, values = rewritten(ort_dynamic, ort_dynamic.Options(), floating, source, tmp_path)
    assert values["form"] == "1 MatMul and Gemm in int8, the rest in float"
    found = audit.measure(file, "onnx")
    assert found.details["ops"]["Conv"] == {"float32": 4}
    assert 0 < found.values["hybrid_mac_share"] < 0.1
    assert accuracy(file, source) >= 0.95


def test_without_a_matrix_product_there_is_nothing_to_do(floating: Model, source: Source, tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Relu", ["image"], ["predictions"])]
    ports = [onnx.helper.make_tensor_value_info(name, 1, [1, 2]) for name in ("image", "predictions")]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:])
    bare = replace(floating, artifact=tmp_path / "bare.onnx", recipe={"per_channel": True})
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]), tmp_path / "bare.onnx")
    with pytest.raises(Unsupported, match="no MatMul and no Gemm") as caught:
        ort_dynamic.rewrite(bare, tmp_path)
    assert caught.value.reason == "nothing_to_quantize"


def test_they_take_onnx_and_say_what_is_missing(floating: Model, source: Source, tmp_path: Path) -> None:
    for module in (ort_static, ort_dynamic):
        assert module.refuses(module.Options(), "onnx") is None
        assert "ONNX files" in (module.refuses(module.Options(), "tflite") or "")
        recipe = module.quantize(source, module.Options(), tmp_path)
        with pytest.raises(StageFailed, match="no ONNX file") as caught:
            module.rewrite(replace(floating, recipe=recipe, artifact=None), tmp_path)
        assert caught.value.reason == "no_artifact"
    bare = replace(source, dataset=tmp_path)
    with pytest.raises(StageFailed, match="no calibration images"):
        ort_static.quantize(bare, ort_static.Options(), tmp_path)
