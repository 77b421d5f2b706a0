"""The recipe of every scheme: what is written down, on how many images it calibrates, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import config, plugins
from harness.errors import StageFailed, UserError
from harness.quantizers import none, ptq
from harness.quantizers.contract import Source

SCHEMES = ("dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8")


def source(folder: Path, images: int = 20) -> Source:
    np.save(folder / "calibration_images.npy", np.zeros((images, 2, 2, 1), np.uint8))
    return Source(folder, folder)


def options(scheme: str, **more: Any) -> ptq.Options:
    made: ptq.Options = plugins.options(ptq, {"method": "ptq", "scheme": scheme, **more})
    return made


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_recipe_says_all_that_was_asked_for(tmp_path: Path, scheme: str) -> None:
    asked = options(scheme, per_channel=False, deny_ops=["MEAN"], deny_layers=["stem"])
    recipe = ptq.quantize(source(tmp_path), asked, tmp_path)
    assert recipe == {
        "scheme": scheme,
        "per_channel": False,
        "deny_ops": ["MEAN"],
        "deny_layers": ["stem"],
        "calibration_images": 0 if scheme in ("dynamic", "float16") else 20,
    }


@pytest.mark.parametrize(("there", "asked", "used"), [(20, 64, 20), (20, 5, 5), (1, 1, 1)])
def test_no_more_images_than_there_are_and_than_asked_for(tmp_path: Path, there: int, asked: int, used: int) -> None:
    recipe = ptq.quantize(source(tmp_path, there), options("int8", calibration_images=asked), tmp_path)
    assert recipe["calibration_images"] == used


@pytest.mark.parametrize("scheme", ["int8", "int8_only", "uint8_only", "int16x8"])
def test_without_images_there_is_no_calibration(tmp_path: Path, scheme: str) -> None:
    for empty in (Source(tmp_path, tmp_path / "none"), source(tmp_path, 0)):
        with pytest.raises(StageFailed, match="no calibration images") as caught:
            ptq.quantize(empty, options(scheme), tmp_path)
        assert caught.value.reason == "no_calibration_images"


@pytest.mark.parametrize("scheme", ["dynamic", "float16"])
def test_schemes_without_calibration_need_no_images(tmp_path: Path, scheme: str) -> None:
    assert ptq.quantize(Source(tmp_path, tmp_path), options(scheme), tmp_path)["scheme"] == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_another_exporter_cannot_have_is_refused_by_name(scheme: str) -> None:
    assert ptq.refuses(options(scheme), "tflite") is None
    for export in ("onnx", "saved_model"):
        reason = ptq.refuses(options(scheme), export)
        assert reason is not None
        assert scheme in reason
        assert export in reason


@pytest.mark.parametrize("deny", [{"deny_ops": ["SOFTMAX"]}, {"deny_layers": ["stem"]}])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_deny_lists_are_refused_where_they_would_make_another_scheme(scheme: str, deny: dict[str, Any]) -> None:
    reason = ptq.refuses(options(scheme, **deny), "tflite")
    assert (reason is None) is (scheme == "int8")
    assert scheme in (reason or "int8")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scheme": "int7"}, "did you mean 'int8'"),
        ({"scheme": "int8", "calibration_images": 0}, "out of range"),
        ({"scheme": "int8", "per_channel": "yes"}, "true or false"),
        ({"scheme": "int8", "deny_ops": "SOFTMAX"}, "expected a list"),
        ({"scheme": "int8", "deny_ops": [3]}, "expected text"),
        ({"scheme": "int8", "deny_opts": []}, "did you mean 'deny_ops'"),
        ({}, "scheme: missing"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plugins.options(ptq, {"method": "ptq", **wrong})


def test_every_preset_is_the_scheme_it_is_named_after() -> None:
    chosen = config.compose(["quant=ptq"]).config.quant
    assert {name: found["scheme"] for name, found in chosen.items()} == {scheme: scheme for scheme in SCHEMES}


def test_the_float_model_is_left_alone_and_goes_everywhere(tmp_path: Path) -> None:
    assert none.quantize(source(tmp_path), none.Options(), tmp_path) == {"scheme": "none"}
    assert [none.refuses(none.Options(), export) for export in ("tflite", "onnx", "saved_model")] == [None] * 3
