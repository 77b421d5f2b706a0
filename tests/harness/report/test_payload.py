"""The data behind the page: small, complete, harmless."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import payload
from harness.report.view import view
from harness.tables.frame import frame


def made(folder: Path, out: Path) -> dict[str, Any]:
    found = view([folder])
    data = payload.payload(found.judged, frame(found.judged), found.thresholds)
    return data | {"cells": payload.details(found.judged, found.folders, out)}


def column(data: dict[str, Any], name: str) -> list[Any]:
    one = next(one for one in data["columns"] if one["name"] == name)
    return one["number"] if "number" in one else [None if c < 0 else one["text"][c] for c in one["code"]]


def test_every_cell_is_in_every_column(swept: Path, tmp_path: Path) -> None:
    data = made(swept, tmp_path)
    assert len(data["cells"]) == len(data["why"]) == 96
    assert {len(one.get("number", one.get("code"))) for one in data["columns"]} == {96}
    cells, top1 = column(data, "cell"), column(data, "top1")
    assert top1[cells.index("efficientnet_b0/int8/tflite/cpu/t1")] == 0.9111
    assert top1[cells.index("resnet101/none/onnx/onnxruntime/t1")] is None


def test_a_column_without_a_value_is_left_out_and_its_reason_kept_once(swept: Path, tmp_path: Path) -> None:
    data = made(swept, tmp_path)
    assert "sparsity" not in {one["name"] for one in data["columns"]}
    assert data["reasons"].count("not pruned") == 1
    codes = {why["sparsity"] for why in data["whys"] if "sparsity" in why}
    assert data["reasons"].index("not pruned") in codes


def test_of_a_cell_in_two_runs_the_one_that_started_first_is_told_apart(runs: Any) -> None:
    old = runs.write([runs.plain(), runs.plain(quant="none")])
    new = runs.write([replace(runs.plain(run="r2"), started_at="2026-11-23T08:00:00+00:00")], "r2")
    found = view([new, old])
    data = payload.payload(found.judged, frame(found.judged), found.thresholds)
    older = [found.judged[row].record for row in data["older"]]
    assert [(r.run, r.cell.quant) for r in older] == [("r1", "int8")]


@pytest.mark.parametrize(
    ("name", "group"),
    [("top1_ci_low", "accuracy"), ("latency_p99_ms", "latency"), ("speedup_vs_cpu", "latency"),
     ("gzip_bytes", "size"), ("int8_mac_share", "inside"), ("model", "cell"), ("convert_s", "work"),
     ("reason", "verdict"), ("a_metric_of_mine", "work")],
)  # fmt: skip
def test_columns_have_groups(name: str, group: str) -> None:
    assert payload.group(name) == group
    assert group in payload.GROUPS


def test_logs_are_links_only_where_they_are(runs: Any, tmp_path: Path) -> None:
    record = replace(runs.plain(), logs={"export": "logs/a b#1.log", "evaluate": "logs/gone.log"})
    folder = runs.write([record])
    (folder / "logs").mkdir()
    (folder / "logs" / "a b#1.log").write_text("noise")
    data = made(folder, tmp_path / "reports" / "r1")
    assert data["cells"][0]["logs"] == {"export": "../../results/r1/logs/a%20b%231.log"}


def test_latencies_become_quantiles_of_each_process(runs: Any, tmp_path: Path) -> None:
    record = replace(runs.plain(), details={"files": {"samples": "samples/a.json"}})
    folder = runs.write([record])
    (folder / "samples").mkdir()
    rounds = [{"wall_ns": list(range(1_000_000, 2_000_000, 1000))}, {"wall_ns": [3_000_000]}, {"wall_ns": []}]
    (folder / "samples" / "a.json").write_text(json.dumps({"rounds": rounds}))
    first, second = made(folder, tmp_path)["cells"][0]["latency"]
    assert (first[0], first[-1], len(first)) == (1.0, 1.999, 41)
    assert first == sorted(first)
    assert second == [3.0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rounds":[{}]}', '{"rounds":[{"wall_ns":[{}]}]}', "\x00"])
def test_damaged_samples_cost_the_picture_alone(runs: Any, tmp_path: Path, text: str) -> None:
    record = replace(runs.plain(), details={"files": {"samples": "a.json"}})
    folder = runs.write([record])
    (folder / "a.json").write_text(text)
    assert "latency" not in made(folder, tmp_path)["cells"][0]


@pytest.mark.parametrize("name", ["../../secret.json", "/etc/hostname", 7, None])
def test_samples_are_read_in_the_run_alone(runs: Any, tmp_path: Path, name: Any) -> None:
    (tmp_path / "secret.json").write_text('{"rounds":[{"wall_ns":[1]}]}')
    folder = runs.write([replace(runs.plain(), details={"files": {"samples": name}})])
    assert "latency" not in made(folder, tmp_path)["cells"][0]


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_text_ends_the_element_it_stands_in(content: Any) -> None:
    text = payload.script_text(content)
    assert "<" not in text
    assert json.loads(text) == content
