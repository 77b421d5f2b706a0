"""Pruning: zeros where they were asked for, kept through conversion and through training for int8."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed
from harness.exporters import tflite as exporter
from harness.exporters.contract import Model
from harness.metrics import audit
from harness.quantizers import prune
from harness.quantizers.contract import Source


def quantized(source: Source, options: prune.Options, out: Path) -> dict[str, Any]:
    """Prune, and go on from there as the plan does when something comes after it."""
    first = prune.starts_from(options)
    if first is None:
        return prune.quantize(source, options, out)
    before = out / "before"
    before.mkdir()
    prune.quantize(source, prune.Options(**first), before)
    return prune.quantize(replace(source, before=before, kept=out / "kept_later"), options, out)


def exported(source: Source, recipe: dict[str, Any], out: Path) -> Any:
    model = Model(out / "saved_model", source.info, recipe, source.dataset / "calibration_images.npy")
    exporter.export(model, exporter.Options(), out)
    return audit.measure(out / "model.tflite", "tflite")


@pytest.mark.parametrize("then", ["float", "int8", "qat"])
@pytest.mark.parametrize("sparsity", [0.5, pytest.param(0.75, marks=pytest.mark.slow)])
def test_the_target_is_reached_and_survives(source: Source, tmp_path: Path, then: Any, sparsity: float) -> None:
    recipe = quantized(source, prune.Options(sparsity=sparsity, then=then, epochs=2, qat_epochs=1), tmp_path)
    facts = recipe["facts"]
    assert facts["target_sparsity"] == sparsity
    assert facts["pruned_sparsity"] == pytest.approx(sparsity, abs=0.02)
    assert facts["pruned_layers"] == 4
    found = exported(source, recipe, tmp_path)
    layers = recipe["notes"]["sparsity"]
    assert set(layers) == {"stem", "gate", "project", "predictions"}
    kernels = found.details["sparsity"]
    for name, share in layers.items():
        (after,) = (value for kernel, value in kernels.items() if f"/{name}" in kernel or f"{name}/" in kernel)
        assert after >= share - 1e-6
    assert found.values["float_ops"] == 0 if then != "float" else found.values["float_ops"] > 0


def test_depthwise_kernels_are_not_pruned(source: Source, tmp_path: Path) -> None:
    recipe = prune.quantize(source, prune.Options(epochs=1), tmp_path)
    assert not any("depthwise" in name for name in recipe["notes"]["sparsity"])


def test_accuracy_is_kept(source: Source, tmp_path: Path) -> None:
    prune.quantize(source, prune.Options(), tmp_path)
    found = np.load(tmp_path / "reference.npz")["predictions"].argmax(1)
    assert (found == np.load(source.dataset / "eval_labels.npy")).mean() >= 0.95


def test_sparse_encoding_is_unpacked_by_densify_ops(source: Source, tmp_path: Path) -> None:
    for sparse in (False, True):
        out = tmp_path / str(sparse)
        out.mkdir()
        options = prune.Options(sparsity=0.9, sparse_encoding=sparse, epochs=1)
        found = exported(source, prune.quantize(source, options, out), out)
        assert (found.values["densify_ops"] > 0) == sparse


def test_the_policy_for_sparse_inference_says_why_it_refuses(source: Source, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="PruneForLatencyOnXNNPack: Layer Activation is not supported") as error:
        prune.quantize(source, prune.Options(policy="xnnpack"), tmp_path)
    assert error.value.reason == "policy_refuses"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_net_as_sparse_inference_wants_it_goes_all_the_way(source: Source, tmp_path: Path) -> None:
    """The working path of the policy: kernels of 1×1 get their zeros, and no others, in the artifact as well."""
    from harness.runtimes import litert
    from zoo import architectures, network, saved_model

    for name in ("kept", "source", "out"):
        (tmp_path / name).mkdir()
    info = source.info
    _, *shape = info["input"]["shape"]
    keras = architectures.build("MobileNetSymmetric", (*shape,), info["classes"])
    net = network.from_keras(keras, (*shape,), info["input"]["name"])
    outputs = saved_model.save(net, tmp_path / "source" / "saved_model")
    net.keras.save(tmp_path / "source" / "model.keras")
    made = {**info, "outputs": [{"name": name, "shape": list(of)} for name, of in outputs.items()]}
    (tmp_path / "source" / "source.json").write_text(json.dumps(made))
    own = Source(tmp_path / "source", source.dataset, kept=tmp_path / "kept")
    recipe = prune.quantize(own, prune.Options(policy="xnnpack", sparsity=0.9, epochs=1), tmp_path / "out")
    assert set(recipe["notes"]["sparsity"]) == {f"conv_pw_{number}" for number in range(1, 14)}
    found = exported(own, recipe, tmp_path / "out")
    shares = found.details["sparsity"]
    pointwise = [share for kernel, share in shares.items() if "conv_pw_" in kernel]
    assert len(pointwise) == 13
    assert min(pointwise) >= 0.89
    assert max((share for kernel, share in shares.items() if "conv_pw_" not in kernel), default=0) < 0.1
    session = litert.open_session(tmp_path / "out" / "model.tflite", litert.Options(delegate="xnnpack"), 1)
    assert session.coverage()["delegate_applied"]
    whole = (tmp_path / "out" / "model.tflite").stat().st_size
    sparse = exported(own, {**recipe, "sparse": True}, tmp_path / "out")
    assert sparse.values["densify_ops"] == 13
    assert (tmp_path / "out" / "model.tflite").stat().st_size < 0.5 * whole


def test_only_tflite_makes_int8_or_sparse_files() -> None:
    assert prune.refuses(prune.Options(), "onnx") is None
    assert "TFLite" in (prune.refuses(prune.Options(then="int8"), "onnx") or "")
    assert "TFLite" in (prune.refuses(prune.Options(sparse_encoding=True), "saved_model") or "")


def test_all_that_comes_after_pruning_starts_from_the_same() -> None:
    plain = prune.Options(sparsity=0.7, epochs=3)
    assert prune.starts_from(plain) is None
    for then in ("int8", "qat"):
        later = replace(
            plain, then=then, qat_epochs=5, qat_learning_rate=0.1, calibration_images=7, sparse_encoding=True
        )
        assert prune.Options(**(prune.starts_from(later) or {})) == plain
