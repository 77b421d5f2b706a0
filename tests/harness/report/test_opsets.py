"""The table of opsets: what was tried, what works, and no empty cell."""

from __future__ import annotations

from dataclasses import replace

from harness.records import Failure, Record
from harness.report import opsets
from harness.tables.verdict import judge_all
from tests.harness.report.conftest import plain


def at(opset: int, *, fails: bool = False, model: str = "mobilenet_v2") -> Record:
    made = plain(model=model, quant="none", export="onnx", runtime="onnxruntime")
    made = replace(
        made,
        cell=replace(made.cell, export=f"onnx@opset={opset}"),
        options={**made.options, "export": {"method": "onnx", "opset": opset}},
    )
    failure = Failure("failed", "export", "checker", "ValidationError", f"no | opset {opset}")
    return replace(made, status="failed", stage="export", failure=failure) if fails else made


def test_lowest_and_highest_are_those_that_work() -> None:
    records = [
        at(13, fails=True),
        at(14),
        at(15),
        at(16, fails=True),
        at(14, model="resnet50"),
        at(13, model="resnet50"),
    ]
    page = opsets.page(judge_all(records))
    assert page is not None
    rows = [[field.strip() for field in line.split(" | ")] for line in page.splitlines() if line.startswith("| ")]
    assert rows[0] == ["| model", "quant", "export", "lowest", "highest", "13", "14", "15", "16 |"]
    assert rows[2] == ["| mobilenet_v2", "none", "onnx", "14", "15", "✗¹", "✓", "✓", "✗² |"]
    assert rows[3] == ["| resnet50", "none", "onnx", "13", "14", "✓", "✓", "·", "· |"]
    assert "1. export: checker – no \\| opset 13" in page


def test_tasks_are_rows_of_their_own() -> None:
    photos = [replace(one, cell=replace(one.cell, task="photos")) for one in (at(13, fails=True), at(14))]
    page = opsets.page(judge_all([at(13), at(14), *photos]))
    assert page is not None
    assert "| mobilenet_v2 · digits | none | onnx | 13 | 14 | ✓ | ✓ |" in page
    assert "| mobilenet_v2 · photos | none | onnx | 14 | 14 | ✗¹ | ✓ |" in page


def test_where_none_works_both_ends_say_so() -> None:
    page = opsets.page(judge_all([at(13, fails=True), at(14, fails=True)]))
    assert page is not None
    assert "| n/a | n/a | ✗¹ | ✗² |" in page


def test_with_one_opset_there_is_no_page() -> None:
    assert opsets.page(judge_all([at(13), at(13, model="resnet50")])) is None


def test_other_settings_stay_in_the_name() -> None:
    assert opsets._base("onnx@opset=14") == "onnx"
    assert opsets._base("onnx@opset=14,trained_kernels=float") == "onnx@trained_kernels=float"
