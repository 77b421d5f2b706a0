"""Every preset that ships has a word of explanation at the head of a matrix."""

from __future__ import annotations

from harness.paths import conf_dir
from harness.report.presets import EXPORTS, QUANTIZATIONS, explained

SETS = {"all", "ptq"}
PLAIN = {"tflite", "saved_model", "frozen_graph"}


def test_all_that_ships_is_explained() -> None:
    assert QUANTIZATIONS.keys() == {file.stem for file in (conf_dir() / "quant").glob("*.yaml")} - SETS
    shipped = {file.stem for file in (conf_dir() / "export").glob("*.yaml")} - SETS
    assert shipped == EXPORTS.keys() | PLAIN


def test_only_what_is_there_is_told_and_a_plugin_is_left_out() -> None:
    assert explained([("int8@deny=auto", "onnx"), ("mine", "tflite"), ("none", "onnx")]) == (
        "none: the float model; int8: int8 inside, float ports; onnx: from the float or trained model."
    )
    assert explained([("mine", "theirs")]) == ""
