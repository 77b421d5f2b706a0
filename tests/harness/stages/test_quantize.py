"""Stage ``quantize``: the recipe of a method, written down for the exporters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, UserError
from harness.records import Job, Limits
from harness.stages import quantize

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
