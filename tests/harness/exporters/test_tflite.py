"""Real conversions to TFLite: names, dtypes, per-channel scales, deny-lists, and what must be refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, Unsupported
from harness.graph.model import Graph
from harness.graph.read import read
from harness.metrics import audit

NAMES = (["scan"], ["about", "kind", "where/xy"])
SCHEMES = {
    "none": ("float32", 0.0),
    "dynamic": ("float32", 0.0),
    "float16": ("float32", 0.0),
    "int8": ("float32", 1.0),
    "int8_only": ("int8", 1.0),
    "uint8_only": ("uint8", 1.0),
    "int16x8": ("float32", 0.0),
}
"""Scheme → dtype of input and outputs, share of multiply-adds in int8."""


def interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    made = Interpreter(
        model_content=path.read_bytes(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    made.allocate_tensors()
    return made


def floats(graph: Graph) -> set[str]:
    """Operators that compute in float, by name."""
    return {name.split()[2] for name in audit.float_compute_ops(graph)}


def kernels(graph: Graph) -> dict[str, int]:
    """Name of an operator with weights → number of scales of its kernel."""
    found = {}
    for node in graph.nodes:
        if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            found[node.op] = max(found.get(node.op, 0), len(graph.tensors[node.inputs[1]].scales))
    return found


@pytest.mark.parametrize(("scheme", "expected"), SCHEMES.items())
def test_every_scheme_keeps_names_and_has_its_dtypes(lab: Any, scheme: str, expected: tuple[str, float]) -> None:
    path = lab.made("tflite", scheme)
    graph = read(path, "tflite")
    assert (sorted(graph.inputs), sorted(graph.outputs)) == NAMES
    ports = {name: graph.tensors[number] for name, number in [*graph.inputs.items(), *graph.outputs.items()]}
    assert {tensor.name for tensor in ports.values()} == set(ports), "tensors are named as in the signature"
    assert {tensor.dtype for tensor in ports.values()} == {expected[0]}
    assert audit.audit(graph).values["int8_mac_share"] == expected[1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_computes_what_the_model_computes(lab: Any, scheme: str) -> None:
    """Each output under its own name."""
    made = interpreter(lab.made("tflite", scheme))
    signature = made.get_signature_runner("serving_default")
    image = (lab.images[:1] / 127.5 - 1).astype(np.float32)
    entry = signature.get_input_details()["scan"]
    if entry["dtype"] is not np.float32:
        scale, zero = entry["quantization"]
        image = np.clip(np.rint(image / scale) + zero, *_range(entry["dtype"])).astype(entry["dtype"])
    for name, raw in signature(scan=image).items():
        scale, zero = signature.get_output_details()[name]["quantization"]
        value = raw if raw.dtype == np.float32 else (raw.astype(np.float32) - zero) * scale
        tolerance = 1e-5 if scheme == "none" else 0.05 * np.abs(lab.reference[name]).max()
        np.testing.assert_allclose(value, lab.reference[name][:1], rtol=0, atol=tolerance)


def _range(dtype: Any) -> tuple[int, int]:
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@pytest.mark.parametrize("scheme", ["int8", "int8_only"])
def test_kernels_have_a_scale_per_channel_unless_told_otherwise(lab: Any, scheme: str) -> None:
    found = kernels(read(lab.made("tflite", scheme), "tflite"))
    assert found == {"CONV_2D": 80, "DEPTHWISE_CONV_2D": 16, "FULLY_CONNECTED": 5}
    flat = read(lab.made("tflite", scheme, per_channel=False), "tflite")
    assert set(kernels(flat).values()) == {1}
    assert audit.audit(flat).values["per_channel"] is False


def test_int16x8_has_no_per_tensor_form_for_depthwise_kernels(lab: Any, tmp_path: Path) -> None:
    """A limit of TensorFlow: it ends in the library's own words, not in an artifact that is something else."""
    assert set(kernels(read(lab.made("tflite", "int16x8"), "tflite")).values()) == {80, 16, 5}
    with pytest.raises(RuntimeError, match="Quantized dimension"):
        lab.export("tflite", tmp_path / "out", "int16x8", per_channel=False)
    assert not list((tmp_path / "out").iterdir())


def test_denied_ops_stay_in_float_and_the_rest_does_not(lab: Any) -> None:
    graph = read(lab.made("tflite", "int8", deny_ops=["DEPTHWISE_CONV_2D"]), "tflite")
    assert floats(graph) == {"DEPTHWISE_CONV_2D"}
    assert kernels(graph)["CONV_2D"] == 80
    assert (sorted(graph.inputs), sorted(graph.outputs)) == NAMES
    assert 0 < float(audit.audit(graph).values["int8_mac_share"] or 0) < 1


def test_denied_layers_stay_in_float_and_the_rest_does_not(lab: Any) -> None:
    graph = read(lab.made("tflite", "int8", deny_layers=["point"]), "tflite")
    named = audit.float_compute_ops(graph)
    assert [name.split()[2] for name in named] == ["CONV_2D"]
    assert "point" in named[0]
    assert kernels(graph)["DEPTHWISE_CONV_2D"] == 16


def test_a_denied_output_layer_is_found_by_its_own_name(lab: Any) -> None:
    """The converter calls the tensor of an output ``StatefulPartitionedCall:0``."""
    assert "SOFTMAX" in floats(read(lab.made("tflite", "int8", deny_layers=["kind"]), "tflite"))


@pytest.mark.parametrize("scheme", ["dynamic", "float16", "int8_only", "uint8_only", "int16x8"])
def test_a_deny_list_makes_nothing_but_int8_and_never_under_another_name(lab: Any, tmp_path: Path, scheme: str) -> None:
    """The converter's deny-lists forget integer input, integer output and int16: that must not pass unseen."""
    with pytest.raises(Unsupported, match=scheme) as caught:
        lab.export("tflite", tmp_path / "out", scheme, deny_ops=["SOFTMAX"])
    assert caught.value.reason == "deny_needs_int8"
    assert not list((tmp_path / "out").iterdir())


def test_a_layer_that_is_not_there_is_an_error(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="stemm") as caught:
        lab.export("tflite", tmp_path / "out", "int8", deny_layers=["stemm"])
    assert caught.value.reason == "deny_layers_match_nothing"


def test_an_operator_that_is_not_there_is_an_error(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"CONV2D; it has .*CONV_2D") as caught:
        lab.export("tflite", tmp_path / "out", "int8", deny_ops=["SOFTMAX", "CONV2D"])
    assert caught.value.reason == "deny_ops_match_nothing"


def test_no_more_calibration_images_are_used_than_told(lab: Any) -> None:
    from harness.exporters import tflite

    model = lab.model("int8", calibration_images=3)
    batches = list(tflite.representative_dataset(model)())
    assert len(batches) == 3
    assert [one.shape for one in batches[0]] == [(1, 16, 16, 3)]
    assert batches[2][0] == pytest.approx(lab.images[2:3] / 127.5 - 1, abs=1e-6)


@pytest.mark.parametrize("scheme", ["none", "int8", "int16x8"])
def test_what_the_converter_is_spared_changes_no_byte(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Loading the SavedModel twice more, and calibrating twice for int16x8."""
    from harness.exporters import tflite

    spared = tflite._apply

    def usual(converter: Any, model: Any) -> None:
        spared(converter, model)
        converter.experimental_new_quantizer = True

    monkeypatch.setattr(tflite, "_without_loading", contextlib.nullcontext)
    monkeypatch.setattr(tflite, "_apply", usual)
    path, _ = lab.export("tflite", tmp_path / "out", scheme)
    assert path.read_bytes() == lab.made("tflite", scheme).read_bytes()


def test_the_converter_loads_as_before_once_an_export_is_over(lab: Any, tmp_path: Path) -> None:
    from tensorflow.lite.python import lite

    usual = lite._load
    lab.export("tflite", tmp_path / "good")
    with pytest.raises(StageFailed):
        lab.export("tflite", tmp_path / "bad", "int8", deny_layers=["stemm"])
    assert lite._load is usual


def test_one_channel(gray: Any) -> None:
    graph = read(gray.made("tflite", "int8_only"), "tflite")
    assert graph.tensors[graph.inputs["scan"]].shape == (1, 12, 20, 1)
    assert sorted(graph.outputs) == NAMES[1]
    assert floats(graph) == set()


def test_a_saved_model_that_is_not_there_fails_with_the_librarys_own_words(lab: Any, tmp_path: Path) -> None:
    from harness.exporters import tflite
    from harness.exporters.contract import Model

    model = Model(tmp_path / "none", lab.info, {"scheme": "none"}, tmp_path / "none.npy")
    with pytest.raises(OSError, match="SavedModel"):
        tflite.export(model, tflite.Options(), tmp_path)
