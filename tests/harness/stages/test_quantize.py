"""Stage ``quantize``: the recipe of a method, written down for the exporters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from harness.errors import StageFailed, UserError
from harness.records import Job, Limits
from harness.stages import quantize
from zoo import network, saved_model

PLUGIN = """
from dataclasses import dataclass

PACKAGES = ()

@dataclass
class Options:
    level: int = 1

def refuses(options, export):
    return None

def quantize(source, options, out):
    (out / "saved_model").mkdir()
    return {"scheme": "mine", "level": options.level, "pixels": source.info["pixels"], "from": source.saved_model.name}
"""


def job(root: Path, images: int = 4, **quant: Any) -> Job:
    for name in ("dataset", "source", "out", "plugins/quantizers"):
        (root / name).mkdir(parents=True)
    np.save(root / "dataset/calibration_images.npy", np.zeros((images, 2, 2, 3), np.uint8))
    (root / "source/source.json").write_text(json.dumps({"pixels": 4}))
    (root / "plugins/quantizers/mine.py").write_text(PLUGIN)
    options = {"quant": quant, "plugins_dir": str(root / "plugins")}
    inputs = {name: str(root / name) for name in ("dataset", "source")}
    return Job("1", "quantize", options, inputs, str(root / "out"), "", "", Limits(60, 2**30, 2**30))


def written(root: Path) -> Any:
    return json.loads((root / "out/quantized.json").read_text())


def test_the_recipe_is_written_with_its_method(tmp_path: Path, reports: Any) -> None:
    found = quantize.run(job(tmp_path, method="ptq", scheme="int8", calibration_images=3), reports)
    assert written(tmp_path) == {
        "method": "ptq", "scheme": "int8", "per_channel": True, "deny_ops": [], "deny_layers": [],
        "calibration_images": 3,
    }  # fmt: skip
    assert found.details["recipe"]["scheme"] == "int8"
    assert reports.stages == ["quantize"]


def test_a_method_of_ones_own_may_bring_a_model(tmp_path: Path, reports: Any) -> None:
    quantize.run(job(tmp_path, method="mine", level=5), reports)
    assert written(tmp_path) == {"method": "mine", "scheme": "mine", "level": 5, "pixels": 4, "from": "saved_model"}
    assert (tmp_path / "out/saved_model").is_dir()


def test_nothing_to_calibrate_on_is_a_failure_of_the_cell(tmp_path: Path, reports: Any) -> None:
    with pytest.raises(StageFailed) as caught:
        quantize.run(job(tmp_path, images=0, method="ptq", scheme="int8"), reports)
    assert caught.value.reason == "no_calibration_images"
    assert not (tmp_path / "out/quantized.json").exists()


@pytest.mark.parametrize(
    ("quant", "words"),
    [({"method": "prq"}, "did you mean 'ptq'"), ({"method": "ptq", "scheme": "int9"}, "did you mean 'int8'")],
)
def test_a_mistake_is_the_users(tmp_path: Path, reports: Any, quant: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        quantize.run(job(tmp_path, **quant), reports)


class Interrupted:
    """A reporter that is stopped at a step, as a process that is killed there would be."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.steps: list[int] = []
        self._stop_at = stop_at

    def stage(self, name: str) -> None:
        assert name == "quantize"

    def progress(self, share: float, text: str) -> None:
        assert 0 <= share <= 1
        if text.startswith("step "):
            self.steps.append(int(text.split()[1].partition("/")[0]))
            if self.steps[-1] == self._stop_at:
                raise KeyboardInterrupt


@pytest.fixture
def trainable(tmp_path: Path) -> Job:
    """A job on a net of two layers and 64 labelled images; its state is kept in a folder that outlives it."""
    random, shape = np.random.default_rng(0), (8, 8, 3)
    for name in ("dataset", "source", "out"):
        (tmp_path / name).mkdir()
    for kind, count in (("train", 64), ("calibration", 8), ("eval", 8)):
        np.save(tmp_path / "dataset" / f"{kind}_images.npy", random.integers(0, 256, (count, *shape), dtype=np.uint8))
        np.save(tmp_path / "dataset" / f"{kind}_labels.npy", random.integers(0, 2, count).astype(np.int32))
    layers = tf.keras.layers
    image = layers.Input(shape, name="image")
    value = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    keras = tf.keras.Model(image, layers.Dense(2, activation="softmax", name="scores")(value))
    saved_model.save(network.from_keras(keras, shape), tmp_path / "source" / "saved_model")
    keras.save(tmp_path / "source" / "model.keras")
    info = {"input": {"name": "image", "shape": [1, *shape]}, "outputs": [{"name": "scores", "shape": [1, 2]}],
            "classes": 2, "preprocessing": "tf", "primary": "scores"}  # fmt: skip
    (tmp_path / "source" / "source.json").write_text(json.dumps(info))
    inputs = {name: str(tmp_path / name) for name in ("dataset", "source")}
    return Job("1", "quantize", {"kept": str(tmp_path / "kept")}, inputs, str(tmp_path / "out"), "", "",
               Limits(60, 2**30, 2**30))  # fmt: skip


@pytest.mark.parametrize("method", ["qat", "prune"])
def test_a_training_that_was_killed_goes_on_after_its_last_epoch(trainable: Job, method: str) -> None:
    made = replace(trainable, options={**trainable.options, "quant": {"method": method, "epochs": 4, "batch": 16}})
    first = Interrupted(stop_at=10)
    with pytest.raises(KeyboardInterrupt):
        quantize.run(made, first)
    assert first.steps == list(range(1, 11))
    second = Interrupted()
    found = quantize.run(made, second)
    per_epoch = 64 * (0.9 if method == "qat" else 1) // 16
    done = int(10 // per_epoch * per_epoch)
    assert second.steps == list(range(done + 1, int(4 * per_epoch) + 1))
    if method == "prune":
        assert found.values["pruned_sparsity"] == pytest.approx(0.5, abs=0.02)
