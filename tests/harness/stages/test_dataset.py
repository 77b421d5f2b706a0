"""The dataset stage: files for all others, and one line for what the user can fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import UserError
from harness.records import Job, Limits
from harness.stages import dataset


class Quiet:
    """A reporter that only remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.fractions: list[float] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, note: str = "") -> None:
        self.fractions.append(fraction)


def job(out: Path, task: dict[str, Any], **options: Any) -> Job:
    out.mkdir(exist_ok=True)
    given = {"task": task, "size": 16, "channels": 3, "seed": 0, "model": None, **options}
    return Job("d", "dataset", given, {}, str(out), "", "", Limits(60, 2**30, 2**30))


def test_digits(tmp_path: Path) -> None:
    report = Quiet()
    outcome = dataset.run(job(tmp_path / "out", {"kind": "digits", "images": 20}), report)
    assert report.stages == ["source"]
    assert report.fractions == sorted(report.fractions)
    counts = {"eval_images": 20, "calibration_images": 150, "train_images": 1197}
    assert {name: outcome.values[name] for name in counts} == counts
    for name, count in counts.items():
        stored = np.load(tmp_path / "out" / f"{name}.npy", mmap_mode="r")
        assert (stored.shape, stored.dtype) == ((count, 16, 16, 3), np.uint8)
    for name, count in {"eval": 20, "train": 1197}.items():
        labels = np.load(tmp_path / "out" / f"{name}_labels.npy")
        assert (labels.shape, labels.dtype) == ((count,), np.int32)
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert facts["classes"] == 10
    assert facts["labelled"] is True
    assert facts["class_names"][9] == "9"


def test_photos_have_no_labels(tmp_path: Path) -> None:
    dataset.run(job(tmp_path / "out", {"kind": "photos", "images": 3, "calibration_images": 2}), Quiet())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["calibration_images.npy", "dataset.json", "eval_images.npy"]


def test_custom_model_decides_the_shape(tmp_path: Path) -> None:
    import tf_keras

    file = tmp_path / "net.keras"
    tf_keras.Sequential([tf_keras.layers.Input((12, 20, 1)), tf_keras.layers.Flatten()]).save(file)
    model = {"path": str(file), "trust": False, "input_size": None, "channels": None}
    dataset.run(job(tmp_path / "out", {"kind": "digits"}, size=None, model=model), Quiet())
    assert np.load(tmp_path / "out" / "eval_images.npy").shape == (450, 12, 20, 1)
    assert not (tmp_path / "out" / "train_images.npy").exists()


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ({"kind": "digit"}, {}, "task.kind: 'digit' is unknown; did you mean 'digits'"),
        ({"kind": "digits"}, {"size": None}, "image size is not known: set model.<name>.input_size"),
        ({"kind": "imagefolder", "path": None}, {}, r"needs task\.path="),
        ({"kind": "imagefolder", "path": "/does/not/exist"}, {}, "there is no folder /does/not/exist"),
        ({"kind": "imagenet", "path": "/does/not/exist"}, {}, "no data in /does/not/exist"),
    ],
)
def test_user_errors(tmp_path: Path, task: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        dataset.run(job(tmp_path / "out", task, **options), Quiet())
    assert "\n" not in str(raised.value)
