"""The support matrix: worst verdict wins, every entry says something, reasons are notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.records import Record
from harness.report.matrix import labels, matrix
from harness.report.notes import Notes
from harness.report.summary import summary
from harness.tables import judge_all


def laid_out(records: list[Record]) -> tuple[Any, list[str]]:
    judged, notes = judge_all(records), Notes()
    return matrix(judged, labels(judged), notes), notes.texts


def marks(records: list[Record]) -> list[str]:
    return [e.shown.text for row in laid_out(records)[0].rows for e in row.entries]


def test_columns_go_by_exporter_and_rows_by_model(runs: Any) -> None:
    made, _ = laid_out(runs.sweep())
    assert made.columns[:3] == (("none", "tflite"), ("float16", "tflite"), ("dynamic", "tflite"))
    assert made.columns[-2:] == (("none", "onnx"), ("none", "saved_model"))
    assert [row.label for row in made.rows] == ["efficientnet_b0", "mobilenet_v2", "resnet50", "resnet101"]


def test_an_entry_is_the_worst_of_its_runtimes_and_says_where(runs: Any) -> None:
    bad = runs.stopped(runs.plain(), "crashed", "load", "signal_11", "gone")
    made, notes = laid_out([runs.plain(runtime="cpu"), bad])
    assert made.rows[0].entries[0].verdict == "fails"
    assert notes == ["int8: xnnpack: load: signal_11 – gone; cpu: clean"]


def test_one_reason_of_all_runtimes_is_said_once(runs: Any) -> None:
    cells = [runs.plain(runtime=name) for name in ("cpu", "xnnpack")]
    _, notes = laid_out([runs.stopped(cell, "failed", "export", "converter_error", "no") for cell in cells])
    assert notes == ["int8: export: converter_error – no"]


def test_equal_reasons_share_a_number(runs: Any) -> None:
    cells = [runs.plain(model=name) for name in ("resnet50", "resnet101", "mobilenet_v2")]
    made, notes = laid_out([runs.stopped(cell, "timeout", "export", "timeout", "1800 s") for cell in cells])
    assert [row.entries[0].shown.note for row in made.rows] == [1, 1, 1]
    assert len(notes) == 1


def test_a_combination_outside_the_run_is_a_dash_without_a_note(runs: Any) -> None:
    made, _ = laid_out([runs.plain("resnet50", "int8"), runs.plain("resnet101", "none")])
    absent = [e for row in made.rows for e in row.entries if e.verdict == "absent"]
    assert [(e.shown.text, e.shown.note, e.shown.title) for e in absent] == [("·", None, "not part of the run")] * 2


def test_columns_that_no_model_has_are_one_line_for_each_exporter(runs: Any) -> None:
    made, _ = laid_out(runs.sweep())
    assert made.refused == (
        "onnx × float16, dynamic, int8, int8_only, int16x8: quantize: no_such_form – it is made by the TFLite "
        "converter; onnx takes the float model",
        "saved_model × float16, dynamic, int8, int8_only, int16x8: quantize: no_such_form – it is made by the "
        "TFLite converter; saved_model takes the float model",
    )


def test_a_column_that_some_model_has_stays_with_the_reason_of_the_others(runs: Any) -> None:
    refused = runs.stopped(runs.plain("resnet50"), "unsupported", "quantize", "no", "not this one")
    made, notes = laid_out([refused, runs.plain("resnet101")])
    assert (made.rows[0].entries[0].shown.text, made.rows[0].entries[0].shown.note) == ("–", 1)
    assert notes == ["int8: quantize: no – not this one"]


def test_nothing_but_refusals_is_still_a_table(runs: Any) -> None:
    made, _ = laid_out([runs.stopped(runs.plain(), "unsupported", "quantize", "no", "no")])
    assert [e.shown.text for e in made.rows[0].entries] == ["–"]
    assert made.refused == ()


def test_tasks_toolchains_and_threads_are_named_when_they_differ(runs: Any) -> None:
    one = runs.plain()
    photos = replace(one, cell=replace(one.cell, task="photos", threads=2))
    judged = judge_all([one, photos])
    assert [row.label for row in laid_out([one, photos])[0].rows] == ["mobilenet_v2 · digits", "mobilenet_v2 · photos"]
    assert labels(judged).runtime(photos.cell) == "xnnpack t2"


STATUSES = ("ok", "noisy", "unsupported", "failed", "crashed", "out_of_memory", "timeout")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_field_of_any_table_is_blank(runs: Any, data: st.DataObject) -> None:
    records = []
    for record in data.draw(st.lists(st.sampled_from(runs.sweep()), min_size=1, max_size=12)):
        status = data.draw(st.sampled_from(STATUSES))
        text = data.draw(st.sampled_from(["", " ", "\n", "\x1b[31m", "no such op"]))
        dropped = data.draw(st.sets(st.sampled_from(sorted(record.values) or ["x"])))
        values = {name: value for name, value in record.values.items() if name not in dropped}
        made = replace(record, values=values, missing={}, failure=None, status="ok")
        if status != "ok":
            made = replace(runs.stopped(runs.plain(), status, "load", text, text), cell=record.cell)
        records.append(made)
    judged, notes = judge_all(records), Notes()
    names = labels(judged)
    table, rows = matrix(judged, names, notes), summary(judged, names, notes)
    fields = [e.shown for row in table.rows for e in row.entries]
    fields += [value for row in rows.rows for value in (row.entry.shown, *row.values)]
    assert all(field.text.strip() for field in fields)
    assert all(text.strip() for text in notes.texts)
    assert all(field.note is not None for field in fields if field.text in ("✗", "~", "n/a"))


@pytest.mark.parametrize(("status", "mark"), [("ok", "✓"), ("failed", "✗"), ("noisy", "✓")])
def test_symbols_stand_for_verdicts(runs: Any, status: str, mark: str) -> None:
    record = runs.plain()
    if status == "failed":
        record = runs.stopped(record, status, "load", "x", "y")
    assert marks([replace(record, status=status)]) == [mark]
