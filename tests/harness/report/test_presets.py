"""Every preset that ships has a word of explanation at the head of a matrix."""

from __future__ import annotations

from harness.paths import conf_dir
from harness.report.presets import about, explained


def test_every_quantization_that_ships_is_explained() -> None:
    shipped = {file.stem for file in (conf_dir() / "quant").glob("*.yaml")} - {"all", "ptq"}
    assert [name for name in sorted(shipped) if not about("quant", name)] == []
    assert about("export", "onnx") == "from the float or trained model"


def test_only_what_is_there_is_told_and_a_plugin_is_left_out() -> None:
    assert explained([("int8@deny=auto", "onnx"), ("mine", "tflite"), ("none", "onnx")]) == (
        "none: the float model; int8: int8 inside, float ports; onnx: from the float or trained model."
    )
    assert explained([("mine", "theirs")]) == ""


def test_a_name_is_no_path() -> None:
    assert [about("quant", name) for name in ("../quant/int8", "int8\0", "no_such", "x" * 9999)] == [""] * 4
