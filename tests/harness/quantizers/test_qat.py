"""Quantization-aware training end to end on a small net: from Keras to an int8 file that says the same."""

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
from harness.finetuning import Settings, best_of, fine_tune, judge_of, load_data, load_keras, named
from harness.metrics import audit
from harness.qat import work
from harness.quantizers import qat, qat_stock
from harness.quantizers.contract import Source
from harness.runtimes import litert
from zoo import preprocessing


def artifact(source: Source, recipe: dict[str, Any], out: Path) -> Path:
    model = Model(out / "saved_model", source.info, recipe, source.dataset / "calibration_images.npy")
    exporter.export(model, exporter.Options(), out)
    return out / "model.tflite"


def scores(file: Path, source: Source) -> Any:
    """What LiteRT says of the evaluation images, with its plain kernels."""
    session = litert.open_session(file, litert.Options(delegate="none"), 1)
    images = preprocessing.apply(np.load(source.dataset / "eval_images.npy"), "tf")
    return np.concatenate([session.run(image[None])["predictions"] for image in images])


def accuracy(found: Any, source: Source) -> float:
    return float((found.argmax(1) == np.load(source.dataset / "eval_labels.npy")).mean())


@pytest.mark.parametrize(
    ("io", "scheme"),
    [("float", "int8"), ("int8", "int8_only"), pytest.param("uint8", "uint8_only", marks=pytest.mark.slow)],
)
def test_what_is_trained_is_what_runs_and_nothing_is_float(
    source: Source, tmp_path: Path, io: Any, scheme: str
) -> None:
    recipe = qat.quantize(source, qat.Options(io=io, epochs=1), tmp_path)
    assert recipe["scheme"] == scheme
    file = artifact(source, recipe, tmp_path)
    found = audit.measure(file, "tflite")
    assert found.values["float_ops"] == 0
    assert found.values["int8_mac_share"] == 1
    assert found.values["per_channel"]
    assert found.values["input_dtype"] == ("float32" if io == "float" else io)
    trained = np.load(tmp_path / "reference.npz")["predictions"]
    got = scores(file, source)
    assert (got.argmax(1) == trained.argmax(1)).mean() >= 0.99
    assert np.abs(got - trained).max() < 0.1
    assert accuracy(got, source) >= 0.95


@pytest.mark.parametrize("kernels", ["int8", "float"])
def test_onnx_says_what_the_trained_model_says(source: Source, tmp_path: Path, kernels: Any) -> None:
    from harness.exporters import onnx as to_onnx
    from harness.runtimes import onnxruntime

    recipe = qat.quantize(source, qat.Options(epochs=1), tmp_path)
    model = Model(tmp_path / "saved_model", source.info, recipe, source.dataset / "calibration_images.npy")
    made = to_onnx.export(model, to_onnx.Options(trained_kernels=kernels), tmp_path)
    assert kernels in str(made.values["form"])
    found = audit.measure(tmp_path / "model.onnx", "onnx")
    assert found.values["int8_mac_share"] == (1 if kernels == "int8" else 0)
    assert (found.values["weights_int8_bytes"] > 100) == (kernels == "int8")  # zero points are bytes as well
    session = onnxruntime.open_session(tmp_path / "model.onnx", onnxruntime.Options(), 1)
    images = preprocessing.apply(np.load(source.dataset / "eval_images.npy"), "tf")
    got = np.concatenate([session.run(image[None])["predictions"] for image in images])
    trained = np.load(tmp_path / "reference.npz")["predictions"]
    assert (got.argmax(1) == trained.argmax(1)).mean() >= 0.99
    assert np.abs(got - trained).max() < 0.1
    assert session.coverage()["float_convs"] == 0


def test_depthwise_kernels_have_a_scale_for_each_channel(source: Source, tmp_path: Path) -> None:
    from harness.graph import tflite

    file = artifact(source, qat.quantize(source, qat.Options(epochs=0), tmp_path), tmp_path)
    graph = tflite.read(file)
    nodes = [one for one in graph.nodes if one.op == "DEPTHWISE_CONV_2D"]
    assert len(nodes) == 2  # one of them was a batch normalization
    assert all(len(graph.tensors[node.inputs[1]].scales) == 8 for node in nodes)


def test_facts_say_what_was_done(source: Source, tmp_path: Path) -> None:
    recipe = qat.quantize(source, qat.Options(epochs=2, batch=32), tmp_path)
    assert recipe["facts"]["tuning_steps"] == 14  # of 256 images a tenth tells which epoch was the best
    assert recipe["facts"]["qat_ranges"] == len(recipe["notes"]["ranges"])
    assert len(recipe["notes"]["losses"]) == 2
    assert recipe["facts"]["tuning_loss"] == recipe["notes"]["losses"][-1]
    assert set(recipe["notes"]["coverage_losses"]) == {"1", "0.99", "0.95"}
    assert recipe["facts"]["range_coverage"] in (1.0, 0.99, 0.95)
    held_out = recipe["notes"]["held_out_losses"]
    assert len(held_out) == 3
    assert recipe["facts"]["tuning_held_out_loss"] == min(held_out)
    assert held_out[recipe["facts"]["tuning_best_epoch"]] == min(held_out)
    json.dumps(recipe)


def test_a_training_that_destroys_the_model_ends_where_it_began(source: Source, tmp_path: Path) -> None:
    recipe = qat.quantize(source, qat.Options(epochs=2, learning_rate=0.9), tmp_path)
    assert recipe["facts"]["tuning_best_epoch"] == 0
    assert recipe["notes"]["held_out_losses"][2] > 10 * recipe["facts"]["tuning_held_out_loss"]
    found = np.load(tmp_path / "reference.npz")["predictions"]
    assert accuracy(found, source) >= 0.95


@pytest.mark.parametrize(
    ("losses", "best"), [([0.5, 0.2, 0.3], 1), ([0.2, 0.2], 0), ([float("nan"), 0.9], 1), ([float("nan")] * 2, 0)]
)
def test_the_best_epoch_is_the_first_with_the_least_loss(losses: list[float], best: int) -> None:
    assert best_of(losses) == best


def test_without_labels_it_trains_towards_the_float_model(unlabelled: Source, tmp_path: Path) -> None:
    recipe = qat.quantize(unlabelled, qat.Options(steps=5, batch=8), tmp_path)
    assert recipe["facts"]["tuning_steps"] == 5
    reference = np.load(tmp_path / "reference.npz")["predictions"]
    images = preprocessing.apply(np.load(unlabelled.dataset / "eval_images.npy"), "tf")
    keras = load_keras(unlabelled)
    assert (keras(images).numpy().argmax(1) == reference.argmax(1)).mean() > 0.95


def test_a_delay_trains_in_float_first(source: Source, tmp_path: Path) -> None:
    kernels = {}
    for delay in (0, 3):
        out = tmp_path / str(delay)
        out.mkdir()
        own = replace(source, kept=out / "kept")
        recipe = qat.quantize(own, qat.Options(epochs=0, quant_delay=delay), out)
        assert recipe["facts"]["tuning_steps"] == 0
        file = artifact(source, recipe, out)
        kernels[delay] = scores(file, source)
    assert not np.array_equal(kernels[0], kernels[3])
    assert accuracy(kernels[3], source) >= 0.9


def test_no_training_sees_the_images_that_choose_the_best_epoch(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counting(model: Any, data: Any, *rest: Any, **named: Any) -> Any:
        seen.append(len(data.images))
        return fine_tune(model, data, *rest, **named)

    monkeypatch.setattr(work, "fine_tune", counting)
    qat.quantize(source, qat.Options(epochs=0, quant_delay=1), tmp_path)
    trained = len(load_data(source).split(work.HELD_OUT)[0].images)
    assert seen == [trained, trained]
    assert trained < len(load_data(source).images)


def test_live_batch_normalization_can_be_trained(source: Source, tmp_path: Path) -> None:
    recipe = qat.quantize(source, qat.Options(epochs=1, freeze_batch_norm=False), tmp_path)
    assert accuracy(scores(artifact(source, recipe, tmp_path), source), source) >= 0.9


def test_an_interrupted_training_goes_on_where_it_was_and_ends_the_same(source: Source, tmp_path: Path) -> None:
    data = load_data(source)
    settings = Settings(steps=16, learning_rate=1e-3, batch=32)

    def run(kept: Path, stop_at: int | None = None) -> tuple[Any, Any]:
        model = named(load_keras(source), source)

        def stop(step: int) -> None:
            if step == stop_at:
                raise KeyboardInterrupt

        trained, judged = data.split(0.1)
        judge = judge_of(model, judged, settings.batch)
        return model, fine_tune(model, trained, settings, kept, lambda *_: None, stop, judge)

    whole, whole_tuned = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", stop_at=11)
    parts, tuned = run(tmp_path / "parts")
    assert tuned.resumed_at == 1
    assert tuned.steps == 16
    assert len(tuned.held_out) == 4
    assert tuned.best == whole_tuned.best
    for one, two in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert np.allclose(one, two, atol=1e-5)


def test_what_is_no_keras_model_is_told(source: Source, tmp_path: Path) -> None:
    bare = tmp_path / "source"
    bare.mkdir()
    (bare / "source.json").write_text((source.folder / "source.json").read_text())
    with pytest.raises(StageFailed, match="no Keras model") as error:
        qat.quantize(replace(source, folder=bare), qat.Options(), tmp_path)
    assert error.value.reason == "no_keras_model"


def test_stock_tells_the_layer_that_it_does_not_take(source: Source, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"quantize_model takes no .*Layer \w+") as error:
        qat_stock.quantize(source, qat_stock.Options(epochs=1), tmp_path)
    assert error.value.reason == "tfmot_refuses"


@pytest.mark.parametrize(
    ("module", "export", "taken"),
    [
        (qat, "tflite", True), (qat, "onnx", True), (qat, "saved_model", False),
        (qat_stock, "tflite", True), (qat_stock, "onnx", False), (qat_stock, "saved_model", False),
    ],
)  # fmt: skip
def test_who_makes_int8_of_it(module: Any, export: str, taken: bool) -> None:
    reason = module.refuses(module.Options(), export)
    assert (reason is None) == taken
    assert taken or "TFLite converter" in reason


def test_integer_input_is_for_tflite_and_what_is_made_from_it() -> None:
    assert "onnx_qdq" in (qat.refuses(qat.Options(io="int8"), "onnx") or "")
