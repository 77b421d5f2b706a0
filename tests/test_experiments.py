"""Experiments: each composes, nights are measured anew, and each can be changed like any other run."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from harness import cli, config, plan
from harness.runner import schedule

NAMES = config.choices("experiment")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_composes_and_a_night_measures_every_time(name: str) -> None:
    composed = config.compose([f"+experiment={name}"]).config
    assert composed.rerun == (not name.startswith("reference"))  # what is published is made in pieces, and goes on
    assert plan.make(composed).cells


def test_what_is_published_is_all_models_and_each_kind_with_labels() -> None:
    photos, digits = (config.compose([f"+experiment={name}"]).config for name in ("reference", "reference_digits"))
    assert len(photos.model) == 25
    assert set(digits.model) == set(config.compose(["model=small"]).config.model)
    assert photos.measure == digits.measure
    assert photos.measure.rounds >= 3
    forms = {"none", "dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8", "qat", "qat_stock", "prune",
             "prune_int8", "ort_static"}  # fmt: skip
    for one in (photos, digits):
        assert {*one.quant, "none"} == forms
        assert (set(one.export), set(one.runtime)) == (
            {"tflite", "onnx", "onnx_qdq"}, {"cpu", "xnnpack", "onnxruntime"},
        )  # fmt: skip


def test_the_tiny_experiment_is_one_model_and_its_int8() -> None:
    cells = plan.make(config.compose(["+experiment=tiny"]).config).cells
    assert [one.cell.id for one in cells] == ["mobilenet/none/tflite/xnnpack/t1", "mobilenet/int8/tflite/xnnpack/t1"]


def test_the_nightly_experiment_has_labels_intervals_and_one_model_of_each_kind() -> None:
    composed = config.compose(["+experiment=nightly"]).config
    assert composed.task.kind == "digits"
    assert composed.measure.rounds >= 3
    assert set(composed.model) == set(config.compose(["model=small"]).config.model)
    assert set(composed.export) == {"tflite", "onnx", "onnx_qdq"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_chosen_beside_an_experiment_wins(name: str) -> None:
    words = [f"+experiment={name}", "model=resnet50", "quant=[float16]", "task.images=7", "measure.rounds=9"]
    for ordered in (words, words[::-1]):
        composed = config.compose(ordered).config
        assert (list(composed.model), list(composed.quant)) == (["resnet50"], ["float16"])
        assert (composed.task.images, composed.measure.rounds) == (7, 9)


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_of_an_experiment_can_be_run_again_alone(name: str) -> None:
    composed = config.compose([f"+experiment={name}", "task.images=7"])
    planned = plan.make(composed.config).cells[-1]
    again = config.compose(shlex.split(schedule.reproduce(planned, composed))[3:])
    cells = {one.cell: one.options for one in plan.make(again.config).cells}
    assert cells[planned.cell] == planned.options
    assert {cell.quant for cell in cells} == {"none", planned.cell.quant}


def test_experiments_are_listed_with_what_they_choose(capsys: pytest.CaptureFixture[Any]) -> None:
    assert cli.main(["list", "experiment"]) == 0
    out = capsys.readouterr().out
    assert "tiny" in out
    assert "model=[mobilenet] quant=[int8] export=[tflite] runtime=[xnnpack] task=photos measure=quick" in out
