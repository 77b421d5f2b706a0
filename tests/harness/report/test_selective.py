"""Layers in float on purpose: their names, and what they cost beside the artifact that has none."""

from __future__ import annotations

from dataclasses import replace

from harness.records import Record
from harness.report import selective
from harness.tables.verdict import judge_all
from tests.harness.report.conftest import plain

LAYERS = ["net/a|b/Conv2D", "net/c/Conv2D"]


def denied(record: Record, quant: str = "int8@deny=auto") -> Record:
    options = {"quant": {"method": "ptq", "scheme": "int8", "deny": "auto", "per_channel": False}}
    return replace(record, cell=replace(record.cell, quant=quant), options=options,
                   details={"quantize": {"denied": LAYERS, "trials": []}})  # fmt: skip


def whole(record: Record, *, per_channel: bool = False) -> Record:
    options = {"quant": {"method": "ptq", "scheme": "int8", "deny": "none", "per_channel": per_channel}}
    return replace(record, cell=replace(record.cell, quant="int8@deny=none"), options=options)


def rows(*records: Record) -> tuple[str, list[list[str]]]:
    page = selective.page(judge_all(records))
    assert page is not None
    lines = [line for line in page.splitlines() if line.startswith("| ")][2:]
    return page, [[field.strip() for field in line.strip("|").split(" | ")] for line in lines]


def test_what_it_bought_and_cost_stands_beside_what_is_int8_throughout() -> None:
    facts = {"denied_layers": 2, "deny_trials": 7, "int8_mac_share": 0.9, "float_ops": 2, "speedup_vs_float": 2.0}
    own = denied(plain(latency_p50_ms=3.0, size_bytes=4_000_000, top1=0.95, cosine=0.99, **facts))
    other = whole(plain(latency_p50_ms=2.0, size_bytes=2_000_000, top1=0.7, cosine=0.9))
    page, (row,) = rows(own, other)
    assert row == [
        "mobilenet_v2", "int8@deny=auto", "xnnpack", "✓", "2", "7", "0.900", "95.0", "70.0", "0.990", "0.900", "45.2",
        "45.2", "3.00", "1.50×", "0.50×", "4.00", "2.00×",
    ]  # fmt: skip
    assert "int8@deny=auto: 2 layers in float" in page
    assert "a\\|b/Conv2D" in page


def test_each_task_names_its_own_layers() -> None:
    digits = denied(plain())
    photos = replace(digits, cell=replace(digits.cell, task="photos"), details={"quantize": {"denied": ["net/only"]}})
    page, found = rows(digits, photos)
    assert [(row[0], row[4]) for row in found] == [("mobilenet_v2 · digits", "2"), ("mobilenet_v2 · photos", "1")]
    assert "mobilenet_v2 · digits, int8@deny=auto: 2 layers in float" in page
    assert "mobilenet_v2 · photos, int8@deny=auto: 1 layers in float" in page


def test_without_the_other_artifact_there_is_nothing_to_divide_by() -> None:
    _, (row,) = rows(denied(plain()), whole(plain(), per_channel=True))
    assert (row[8], row[14], row[17]) == ("·", "·", "·")


def test_without_such_layers_there_is_no_page() -> None:
    assert selective.page(judge_all([plain(), whole(plain())])) is None
