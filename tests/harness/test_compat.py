"""Looking cells up for a test suite: the worst of them, why, and what is told when there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.compat import Compat
from harness.errors import UserError
from tests.harness.report.conftest import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "results")


@pytest.fixture
def compat(runs: Runs) -> Compat:
    return Compat([runs.write(runs.sweep())])


def test_a_cell_says_verdict_values_reason_and_command(compat: Compat) -> None:
    cell = compat("resnet50", "int8", "tflite", "xnnpack")
    assert (cell.verdict, cell.clean, cell.cell) == ("clean", True, "resnet50/int8/tflite/xnnpack/t1")
    assert cell.values["top1"] == 0.9722
    assert cell.missing["sparsity"] == "not pruned"
    assert cell.reproduce == "python -m harness repro r1 resnet50/int8/tflite/xnnpack/t1"
    cell.require()


def test_without_a_runtime_the_worst_of_all_counts(compat: Compat) -> None:
    cell = compat("efficientnet_b0", "float16")
    assert [j.record.cell.runtime for j in cell.cells] == ["xnnpack", "cpu"]
    assert (cell.verdict, cell.reason) == ("fails", "run: signal_11 – the worker died with SIGSEGV")
    assert compat("efficientnet_b0", "float16", runtime="cpu").clean


def test_by_default_it_is_the_float_model_in_tflite(compat: Compat) -> None:
    assert compat("resnet50").asked == "resnet50/none/tflite"


def test_what_is_required_is_told_with_reason_and_command(compat: Compat) -> None:
    cell = compat("efficientnet_b0", "int8")
    with pytest.raises(AssertionError) as caught:
        cell.require()
    assert str(caught.value).splitlines() == [
        "efficientnet_b0/int8/tflite is degraded",
        "  efficientnet_b0/int8/tflite/cpu/t1: cosine 0.912 is below 0.97",
        "    reproduce: python -m harness repro r1 efficientnet_b0/int8/tflite/cpu/t1",
        "  efficientnet_b0/int8/tflite/xnnpack/t1: cosine 0.912 is below 0.97",
        "    reproduce: python -m harness repro r1 efficientnet_b0/int8/tflite/xnnpack/t1",
        "  expected: clean",
    ]
    cell.require("clean", "degraded")
    with pytest.raises(AssertionError, match="expected: fails or n/a"):
        cell.require("fails", "n/a")


def test_its_repr_is_short_and_says_it_all(compat: Compat) -> None:
    assert repr(compat("mobilenet_v2", "int16x8", runtime="cpu")) == (
        "<mobilenet_v2/int16x8/tflite/cpu/t1 fails: "
        "load: allocate_tensors – no_integer_overflow_from_quantization was not true. No…; "
        "python -m harness repro r1 mobilenet_v2/int16x8/tflite/cpu/t1>"
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("resnet5",), "compat: no cell with model 'resnet5' in r1; did you mean 'resnet50'? allowed: efficientnet_b0"),
        (("resnet50", "int9"), "compat: no cell of resnet50 with quant 'int9' in r1; did you mean 'int8'?"),
        (
            ("resnet50", "int8", "pb"),
            "compat: no cell of resnet50/int8 with export 'pb' in r1; allowed: onnx, saved_model",
        ),
        (("resnet50", "int8", "onnx", "cpu"), "of resnet50/int8/onnx with runtime 'cpu' in r1; allowed: onnxruntime"),
    ],
)
def test_a_cell_that_no_run_has_is_a_mistake_and_says_what_there_is(
    compat: Compat, asked: tuple[str, ...], told: str
) -> None:
    with pytest.raises(UserError) as caught:
        compat(*asked)
    assert told in str(caught.value)


@pytest.mark.parametrize("which", [{"threads": 4}, {"task": "photos"}, {"toolchain": "tf215"}])
def test_threads_task_and_toolchain_are_looked_for_as_well(compat: Compat, which: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"with {next(iter(which))} "):
        compat("resnet50", **which)
    assert compat("resnet50", threads=1, task="digits", toolchain="default").clean


def test_of_several_runs_the_newest_counts(runs: Runs) -> None:
    old = runs.stopped(runs.plain(), "crashed", "load", "signal_11", "gone")
    new = replace(runs.plain(run="r2"), started_at="2026-11-23T08:00:00+00:00")
    paths = [runs.write([new], "r2"), runs.write([old])]
    assert Compat(paths)("mobilenet_v2", "int8").clean
    assert Compat([paths[0].parent / "*"])("mobilenet_v2", "int8").clean


def test_the_thresholds_are_those_of_the_run(runs: Runs) -> None:
    folder = runs.write([runs.plain()])
    (folder / "config.yaml").write_text("verdict: {schemes: {default: {min: {cosine: 0.9999}}}}")
    assert Compat([folder])("mobilenet_v2", "int8").reason == "cosine 0.9957 is below 0.9999"


def test_a_run_without_records_answers_nothing(runs: Runs) -> None:
    with pytest.raises(UserError, match="it holds no record"):
        Compat([runs.write([])])("resnet50")
