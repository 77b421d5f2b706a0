"""Composition and its mistakes: every one is a line that names key, place and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import config, plugins
from harness.errors import UserError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=resnet5"], ["model", "'resnet5' does not exist", "did you mean"]),
        (["quant=int7"], ["quant", "did you mean 'int8'"]),
        (["quant=int8", "quant.int8.per_chanel=false"], ["per_chanel", "did you mean 'per_channel'", "override"]),
        (["quant=int8", "quant.int8.per_channel=3"], ["quant.int8.per_channel", "true or false", "override"]),
        (["quant=int8", "quant.int8.calibration_images=0"], ["calibration_images", "out of range", "1 … 100000"]),
        (["export=onnx", "export.onnx.opset=12"], ["export.onnx.opset", "out of range", "13 … 18"]),
        (["modle=resnet50"], ["modle", "did you mean 'model'"]),
        (["threads=0"], ["threads", "out of range"]),
        (["threads=two"], ["threads", "two"]),
        (["fail_on=sometimes"], ["fail_on", "never"]),
        (["limits.timeout_s.exprot=3"], ["exprot", "did you mean 'export'"]),
        (["+quant.mine={method: nothing}"], ["quant.mine.method", "'nothing' does not exist"]),
        (["+quant.mine={scheme: int8}"], ["quant.mine.method", "missing"]),
        (["run_id=../x"], ["run_id", "not possible"]),
        (["plugins_dir=/no/such/folder"], ["plugins_dir", "not a folder"]),
        (["model=custom"], ["model.custom.path"]),
        (["model=custom", "model.custom.path=/no/file.keras"], ["model.custom.path", "does not exist"]),
        (["task=imagefolder"], ["task.path", "not a folder"]),
        (["model=[resnet50"], ["model"]),
        (["toolchain=tf214"], ["toolchain", "'tf214' does not exist", "did you mean"]),
        (
            ["toolchain=tf215", 'toolchain.tf215.packages=["numpy==1.0"]'],
            ["tf215.packages", "conf/toolchain/tf215.yaml"],
        ),
        (["+toolchain.mine={packages: []}"], ["toolchain", "'mine' does not exist"]),
        (["toolchain=[]"], ["toolchain", "nothing chosen"]),
    ],
)
def test_a_mistake_is_one_line(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        config.compose(overrides)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_an_empty_image_folder_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        config.compose(["task=imagefolder", f"task.path={tmp_path}"])


def test_defaults_compose() -> None:
    composed = config.compose([])
    assert list(composed.config.model) == ["mobilenet_v2"]
    assert list(composed.config.quant) == ["dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8"]
    assert composed.config.task.name == "digits"


def test_sets_lists_and_removals_compose() -> None:
    composed = config.compose(["model=[resnet50,mobilenet_v2]", "quant=ptq", "~quant.int16x8", "threads=[1,2]"])
    assert list(composed.config.model) == ["resnet50", "mobilenet_v2"]
    assert "int16x8" not in composed.config.quant
    assert composed.config.threads == [1, 2]


@pytest.mark.parametrize(
    ("group", "plugin_group"), [("quant", "quantizers"), ("export", "exporters"), ("runtime", "runtimes")]
)
def test_every_preset_shows_all_options_of_its_plugin(group: str, plugin_group: str) -> None:
    """Hydra takes an override only for a key that is there, so a preset must hold every option."""
    chosen = getattr(config.compose([f"{group}=all"]).config, group)
    assert chosen
    for name, options in chosen.items():
        module = plugins.load(plugin_group, options["method"])
        assert set(options) - {"method"} == set(plugins.defaults(module)), name


@pytest.mark.parametrize("model", config.choices("model"))
def test_every_model_file_composes(model: str) -> None:
    overrides = [f"model={model}"] + (["model.custom.path=README.md"] if model == "custom" else [])
    composed = config.compose(overrides)
    assert composed.config.model


def test_the_support_matrix_has_25_models_and_small_one_of_each_kind() -> None:
    assert len(config.compose(["model=all"]).config.model) == 25
    assert list(config.compose(["model=small"]).config.model) == [
        "resnet50", "resnet50v2", "densenet121", "efficientnet_b0", "efficientnet_v2_b0",
        "mobilenet", "mobilenet_v2", "mobilenet_v3_small",
    ]  # fmt: skip


def test_a_list_of_values_makes_a_choice_of_each() -> None:
    chosen = config.compose(["quant=int8", "export=onnx", "export.onnx.opset=[13,18]", "quant.int8.deny_ops=[SOFTMAX]"])
    assert {name: one["opset"] for name, one in chosen.config.export.items()} == {
        "onnx@opset=13": 13,
        "onnx@opset=18": 18,
    }
    assert list(chosen.config.quant) == ["int8"]  # an option that is a list by nature stays one


def test_two_lists_make_every_pair() -> None:
    chosen = config.compose(
        ["quant=int8", "quant.int8.per_channel=[true,false]", "quant.int8.calibration_images=[1,2]"]
    )
    assert list(chosen.config.quant) == [
        "int8@per_channel=true,calibration_images=1",
        "int8@per_channel=true,calibration_images=2",
        "int8@per_channel=false,calibration_images=1",
        "int8@per_channel=false,calibration_images=2",
    ]


def test_a_wrong_value_in_a_list_is_told_by_its_key() -> None:
    with pytest.raises(UserError, match=r"export\.onnx@opset=12\.opset.*out of range.*13 … 18"):
        config.compose(["export=onnx", "export.onnx.opset=[12,13]"])
