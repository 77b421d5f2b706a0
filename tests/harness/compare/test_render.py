"""A comparison on a terminal, as Markdown, JSON and JUnit XML; also with names that mean harm."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from harness.compare.comparison import Comparison
from harness.compare.render import as_json, junit, markdown, terminal
from tests.harness.compare.conftest import Runs, cell, right

EVIL = "</details><script>alert(1)</script>|`[x](http://x)\x1b[31m\x00\ufffe"


@pytest.fixture
def bad(runs: Runs) -> Comparison:
    """Return one regression of each section."""
    quants = ("none", "int8", "float16", "dynamic")
    runs.write("a", [runs.record("a", cell(q)) for q in quants], {cell("float16").id: right(441)})
    failed = runs.stopped(runs.record("b", cell("none")))
    assert failed.failure is not None
    failed = replace(failed, failure=replace(failed.failure, message=EVIL))
    cand = [failed, runs.record("b", cell("int8"), medians_ms=(2.0, 2.01, 2.03), float_ops=3),
            runs.record("b", cell("float16"), medians_ms=(2.0, 2.01, 2.03)),
            runs.record("b", cell("dynamic"), medians_ms=(3.0, 3.01, 3.02))]  # fmt: skip
    runs.write("b", cand, {cell("float16").id: right(420)})
    return runs.compare("a", "b")


def test_the_terminal_shows_the_sections_in_order_and_ends_with_the_outcome(bad: Comparison) -> None:
    lines = ["".join(text for text, _ in line) for line in terminal.lines(bad)]
    assert [line for line in lines if line in ("Status", "Artifacts", "Accuracy", "Latency")] == [
        "Status", "Artifacts", "Accuracy", "Latency",
    ]  # fmt: skip
    assert lines[0] == "b against the base a"
    assert lines[-1] == "4 cells on both sides: 4 regressions"


def test_markdown_escapes_what_it_did_not_write(bad: Comparison) -> None:
    page = markdown.page(bad)
    assert page.startswith("## ✗ 4 cells on both sides: 4 regressions\n")
    assert "<script" not in page
    assert "\x1b" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ✗")]
    assert len(rows) == 4
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)


def test_many_quiet_lines_are_folded_away(runs: Runs) -> None:
    nets = [cell(model=f"net{i}") for i in range(20)]
    runs.write("a", [runs.record("a", one, float_ops=2) for one in nets])
    runs.write("b", [runs.record("b", one) for one in nets])
    page = markdown.page(runs.compare("a", "b"))
    assert "<summary>20 more</summary>" in page
    assert page.startswith("## ✓")


def test_json_holds_everything(bad: Comparison) -> None:
    content = json.loads(as_json.text(bad))
    assert content["regression"] is True
    assert [one["section"] for one in content["findings"]] == ["status", "artifacts", "accuracy", "latency"]
    assert {one["cell"] for one in content["latency"]} == {cell(q).id for q in ("int8", "float16", "dynamic")}
    assert content["thresholds"]["latency"] == 0.05


def test_junit_has_a_test_for_each_cell_and_section(bad: Comparison) -> None:
    root = ET.fromstring(junit.text(bad))
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == 16 == int(suite.get("tests", ""))
    failed = [(case.get("classname"), case.get("name")) for case in cases if case.find("failure") is not None]
    assert failed == [
        ("harness.compare.status", cell("none").id),
        ("harness.compare.accuracy", cell("float16").id),
        ("harness.compare.latency", cell("dynamic").id),
        ("harness.compare.artifacts", cell("int8").id),
    ]
    assert suite.get("failures") == "4"
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == [cell("none").id]
