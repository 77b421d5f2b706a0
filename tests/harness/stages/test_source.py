"""The source stage on the smallest zoo model, on custom models, and on its gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import UserError
from harness.records import Job, Limits, Value
from harness.stages import source

SMALL = {
    "name": "mobilenet_v3_small",
    "source": "keras_applications",
    "architecture": "MobileNetV3Small",
    "preprocessing": "none",
    "training": {"epochs": 1, "learning_rate": 0.001},
    "published": {"top1": 68.1},
}


class Quiet:
    """A reporter that only remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, note: str = "") -> None:
        assert 0 <= fraction <= 1
        self.notes.append(note)


def entry(folder: Path, classes: int, labelled: bool, shape: tuple[int, ...] = (32, 32, 3)) -> Path:
    """A dataset entry of 8 random images a split."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for split in ("eval", "calibration", "train"):
        images = random.integers(0, 256, (8, *shape), dtype=np.uint8)
        np.save(folder / f"{split}_images.npy", images)
        if labelled and split != "calibration":
            np.save(folder / f"{split}_labels.npy", (np.arange(8) % classes).astype(np.int32))
    facts = {"name": "t", "classes": classes, "class_names": None, "labelled": labelled, "skipped": []}
    (folder / "dataset.json").write_text(json.dumps(facts))
    return folder


def job(out: Path, data: Path, model: dict[str, Any], task: dict[str, Any]) -> Job:
    out.mkdir()
    options = {"model": model, "task": task, "size": None, "seed": 0}
    return Job("s", "source", options, {"dataset": str(data)}, str(out), "", "", Limits(60, 2**30, 2**30))


def test_trained_zoo_model(tmp_path: Path) -> None:
    from zoo import saved_model

    data, report = entry(tmp_path / "data", 2, labelled=True), Quiet()
    task = {"kind": "digits", "target": 0.99}
    outcome = source.run(job(tmp_path / "out", data, SMALL, task), report)
    assert report.stages == ["source"]
    assert any(note.startswith("epoch 1/1, held-out top-1 ") for note in report.notes)
    facts = json.loads((tmp_path / "out" / "source.json").read_text())
    assert facts["input"] == {"name": "image", "shape": [1, 32, 32, 3]}
    assert facts["outputs"] == [{"name": "Predictions", "shape": [1, 2]}]
    assert (facts["primary"], facts["classes"], facts["preprocessing"]) == ("Predictions", 2, "none")
    assert facts["weights_bytes"] == 4 * facts["parameters"] == outcome.values["weights_bytes"]
    reference = np.load(tmp_path / "out" / "reference.npz")["Predictions"]
    images = np.load(data / "eval_images.npy")
    top1 = (reference.argmax(axis=1) == np.arange(8) % 2).mean()
    assert outcome.values["source_top1"] == pytest.approx(top1)
    assert outcome.values["source_epochs"] == 1
    loaded = saved_model.load(tmp_path / "out" / "saved_model")
    found = saved_model.run(loaded, "image", images[:1].astype(np.float32))
    np.testing.assert_allclose(found["Predictions"][0], reference[0], rtol=1e-4, atol=1e-6)
    assert (tmp_path / "out" / "model.keras").is_file()


def test_custom_model_with_two_outputs(tmp_path: Path) -> None:
    import tf_keras

    layers = tf_keras.layers
    image = layers.Input((8, 8, 1), name="scan")
    flat = layers.Flatten()(image)
    outputs = [layers.Dense(4, name="file")(flat), layers.Dense(10, name="kind")(flat)]
    file = tmp_path / "net.keras"
    tf_keras.Model(image, outputs).save(file)
    model = {"name": "custom", "source": "custom", "path": str(file), "preprocessing": "none"}
    for classes, labelled, primary, found in ((10, True, "kind", 10), (3, True, "file", None), (9, False, "file", 4)):
        name = f"{classes}"
        data = entry(tmp_path / f"data{name}", classes, labelled, (8, 8, 1))
        outcome = source.run(job(tmp_path / f"out{name}", data, model, {"kind": "photos"}), Quiet())
        facts = json.loads((tmp_path / f"out{name}" / "source.json").read_text())
        assert facts["input"] == {"name": "scan", "shape": [1, 8, 8, 1]}
        assert (facts["primary"], facts["classes"]) == (primary, found)
        assert ("source_top1" in outcome.values) is (classes == 10)
        assert ("source_top1" in outcome.missing) is (classes != 10)
    reference = np.load(tmp_path / "out10" / "reference.npz")
    assert {key: reference[key].shape for key in reference} == {"file": (8, 4), "kind": (8, 10)}


def test_user_errors(tmp_path: Path) -> None:
    data = entry(tmp_path / "data", 1000, labelled=True)
    weights = tmp_path / "weights"
    weights.mkdir()
    task = {"kind": "imagenet", "weights": str(weights), "baseline_margin": 2.0}
    with pytest.raises(UserError, match=r"there is no file .*weights/mobilenet_v3_small\.h5"):
        source.run(job(tmp_path / "a", data, SMALL, task), Quiet())
    model = {"name": "custom", "source": "custom", "path": str(tmp_path / "n.keras"), "preprocessing": "none"}
    with pytest.raises(UserError, match="there is no file or folder"):
        source.run(job(tmp_path / "b", data, model, {"kind": "photos"}), Quiet())


def test_local_imagenet_weights_are_gated(tmp_path: Path) -> None:
    from zoo import architectures

    data = entry(tmp_path / "data", 1000, labelled=True)
    folder = tmp_path / "weights"
    folder.mkdir()
    keras = architectures.build("MobileNetV3Small", (32, 32, 3), 1000)
    keras.save_weights(str(folder / "mobilenet_v3_small.h5"))
    task = {"kind": "imagenet", "weights": str(folder), "baseline_margin": 2.0, "path": str(tmp_path)}
    outcome = source.run(job(tmp_path / "out", data, SMALL, task), Quiet())
    assert outcome.values["published_top1"] == pytest.approx(0.681)
    assert outcome.values["baseline_off"] is True
    reference = np.load(tmp_path / "out" / "reference.npz")["Predictions"]
    images = np.load(data / "eval_images.npy").astype(np.float32)
    np.testing.assert_allclose(reference, keras.predict_on_batch(images), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("top1", "images", "dataset", "off"),
    [
        (0.74, 50000, "imagenet2012", False),
        (0.72, 50000, "imagenet2012", True),
        (0.79, 50000, "imagenet2012", True),
        (0.72, 1000, "imagenet2012", False),
        (0.625, 10000, "imagenet_v2", False),
        (0.75, 10000, "imagenet_v2", True),
        (0.55, 10000, "imagenet_v2", True),
    ],
)
def test_gate(top1: float, images: int, dataset: str, off: bool) -> None:
    values: dict[str, Value] = {"source_top1": top1}
    task = {"baseline_margin": 2.0, "dataset": dataset, "path": None}
    source._gate({"published": {"top1": 74.9}}, task, images, values, {})
    assert values["baseline_off"] is off


def test_gate_without_a_published_figure() -> None:
    missing: dict[str, str] = {}
    source._gate({"published": None}, {}, 10, {"source_top1": 0.5}, missing)
    assert missing == {"baseline_off": "no published top-1 for this model"}
