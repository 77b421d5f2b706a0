"""One row per artifact: units, spans, ratios, and a reason for whatever is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.records import Record
from harness.report.matrix import labels
from harness.report.notes import Notes
from harness.report.shown import Shown
from harness.report.summary import summary
from harness.tables import judge_all


class Laid:
    def __init__(self, *records: Record) -> None:
        judged, self._notes = judge_all(records), Notes()
        self.table = summary(judged, labels(judged), self._notes)

    def shown(self, title: str, row: int = 0) -> Shown:
        index = [c.title for c in self.table.columns].index(title)
        return self.table.rows[row].values[index]

    def text(self, title: str, row: int = 0) -> str:
        return self.shown(title, row).text

    def why(self, title: str, row: int = 0) -> str:
        shown = self.shown(title, row)
        assert shown.text == "n/a"
        assert shown.note is not None
        return self._notes.texts[shown.note - 1]


def pair(runs: Any, **xnnpack: Any) -> list[Record]:
    return [runs.plain(runtime="cpu", latency_p50_ms=8.0), runs.plain(**{"latency_p50_ms": 2.5} | xnnpack)]


def test_a_row_holds_what_the_table_promises(runs: Any) -> None:
    laid = Laid(*pair(runs, speedup_vs_cpu=3.2), runs.plain(quant="none"))
    float_row, int8_row = laid.table.rows
    assert (float_row.quant, int8_row.quant, int8_row.export) == ("none", "int8", "tflite")
    assert [laid.text(t, 1) for t in ("top-1", "agreement", "cpu", "xnnpack")] == ["97.2", "99.7", "8.00", "2.50"]
    assert [laid.text(t, 1) for t in ("speed-up", "vs float", "size", "ratio")] == ["3.20×", "3.50×", "2.41", "0.27"]
    assert laid.text("vs float", 0) == "·"


def test_times_of_two_evenings_are_no_speed_up(runs: Any) -> None:
    assert Laid(*pair(runs)).why("speed-up") == "cpu and xnnpack were not measured in the same rounds"


def test_the_speed_up_is_the_paired_one_and_not_the_ratio_of_medians(runs: Any) -> None:
    paired = {"speedup_vs_cpu": 3.05, "speedup_vs_cpu_ci_low": 3.0, "speedup_vs_cpu_ci_high": 3.1}
    laid = Laid(*pair(runs, **paired))
    assert laid.shown("speed-up").text == "3.05×"
    assert laid.shown("speed-up").title == "in xnnpack, interval 3.00×–3.10×"


def test_times_of_different_machines_are_not_compared(runs: Any) -> None:
    cpu, xnnpack = pair(runs)
    laid = Laid(cpu, replace(xnnpack, fingerprint="beef"))
    assert laid.why("speed-up") == "cpu and xnnpack were measured on different machines or environments"


def test_runtimes_that_differ_are_a_span(runs: Any) -> None:
    cpu, xnnpack = pair(runs, top1=0.95)
    assert Laid(cpu, xnnpack).text("top-1") == "95.0–97.2"


def test_accuracy_says_on_how_many_images_and_how_sure_it_is(runs: Any) -> None:
    laid = Laid(runs.plain(top1_ci_low=0.95, top1_ci_high=0.985))
    assert laid.shown("top-1").title == "360 images, 95 % interval 95.0–98.5 %"
    assert "on 360 test images" in laid.table.columns[0].help
    assert "on 16–360 test images" in Laid(runs.plain(), runs.plain("resnet50", images=16)).table.columns[0].help
    assert "on the task's test images" in Laid(runs.plain(images=None)).table.columns[0].help


def test_a_value_that_was_not_measured_says_why(runs: Any) -> None:
    laid = Laid(runs.plain(top1=None, size_bytes=None))
    assert laid.why("top-1") == "no top1 here"
    assert laid.why("size") == "no size_bytes here"
    assert laid.why("ratio") == "no size_bytes here"


def test_a_silent_record_is_said_to_be_silent(runs: Any) -> None:
    laid = Laid(replace(runs.plain(agreement=None), missing={}))
    assert laid.why("agreement") == "agreement: no reason recorded"


def test_a_stopped_cell_points_to_the_reason_of_its_mark(runs: Any) -> None:
    cpu, xnnpack = pair(runs)
    laid = Laid(cpu, runs.stopped(xnnpack, "crashed", "run", "signal_11", "gone"))
    row = laid.table.rows[0]
    assert laid.shown("xnnpack").note == laid.shown("speed-up").note == row.entry.shown.note
    assert laid.why("xnnpack") == "int8: xnnpack: run: signal_11 – gone; cpu: clean"
    assert laid.text("top-1") == "97.2"


def test_without_a_float_artifact_there_is_no_ratio(runs: Any) -> None:
    laid = Laid(runs.plain(speedup_vs_float=None))
    assert laid.why("ratio") == "no float artifact of this exporter in the run"
    assert laid.why("vs float") == "no speedup_vs_float here"
    assert Laid(replace(runs.plain(speedup_vs_float=None), missing={})).why("vs float").startswith("the float artifact")


def test_a_runtime_that_does_not_read_the_format_is_a_dash(runs: Any) -> None:
    laid = Laid(runs.plain(quant="none", export="onnx", runtime="onnxruntime"), *pair(runs))
    assert laid.shown("onnxruntime", 0) == Shown("·", title="not part of the run")
    assert laid.text("speed-up", 1) == "·"


def test_speed_up_needs_both_kinds_of_kernels_in_the_run(runs: Any) -> None:
    titles = [c.title for c in Laid(runs.plain()).table.columns]
    assert "speed-up" not in titles
    assert "xnnpack" in titles


def test_a_noisy_latency_is_marked(runs: Any) -> None:
    shown = Laid(replace(runs.plain(), status="noisy")).shown("xnnpack")
    assert shown.note == 1
    assert "91 % of runs undisturbed" in shown.title


def test_threads_make_rows(runs: Any) -> None:
    one = runs.plain()
    laid = Laid(one, replace(one, cell=replace(one.cell, threads=2)))
    assert [row.model for row in laid.table.rows] == ["mobilenet_v2 · 1 threads", "mobilenet_v2 · 2 threads"]


@pytest.mark.parametrize("export", ["onnx", "saved_model"])
def test_refused_columns_have_no_rows(runs: Any, export: str) -> None:
    rows = Laid(*runs.sweep()).table.rows
    assert {row.quant for row in rows if row.export == export} == {"none"}


def test_a_ratio_that_may_be_one_says_so_and_a_latency_how_sure_it_is(runs: Any) -> None:
    near = {"speedup_vs_float": 1.05, "speedup_vs_float_ci_low": 0.98, "speedup_vs_float_ci_high": 1.1}
    laid = Laid(runs.plain(latency_p50_ms=2.0, latency_ci_low_ms=1.9, latency_ci_high_ms=2.2, **near))
    assert laid.text("vs float") == "≈1.05×"
    assert (laid.shown("xnnpack").text, laid.shown("xnnpack").spread) == ("2.00", "±10 %")


def test_a_top1_is_of_images_with_labels_alone(runs: Any) -> None:
    digits = runs.plain(images=450)
    photos = replace(runs.plain("resnet50", top1=None, images=24), missing={"top1": "no labels"})
    help_texts = {column.title: column.help for column in Laid(digits, photos).table.columns}
    assert help_texts["top-1"] == "top-1 accuracy of the artifact on 450 test images"
