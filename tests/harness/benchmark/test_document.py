"""A run as pytest-benchmark's document: what it holds, what it leaves out, and what the samples of a stranger do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.benchmark.document import Document, document
from harness.compare.pairing import side
from tests.harness.compare.conftest import Runs, cell


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "results")


def made(folder: Path) -> Document:
    return document(side("run", folder))


def samples(folder: Path, content: object) -> None:
    (path,) = (folder / "samples").iterdir()
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_benchmark_has_the_raw_samples_of_all_processes(runs: Runs) -> None:
    found = made(runs.write("a", [runs.record("a", medians_ms=(2.0, 2.5))]))
    (one,) = found.content["benchmarks"]
    assert one["stats"]["data"] == pytest.approx([0.002] * 9 + [0.0025] * 9)
    assert one["stats"]["rounds"] == 18
    assert one["name"] == "latency[mobilenet_v2/int8/tflite/xnnpack/t1]"
    assert (one["group"], one["params"]["quant"], one["param"]) == ("mobilenet_v2, digits", "int8", one["name"][8:-1])
    assert one["extra_info"]["latency_p50_ms"] == pytest.approx(2.25)
    assert one["extra_info"]["samples"] == "clean"
    assert found.left_out == ()


def test_disturbed_samples_do_not_count_as_they_do_not_in_our_tables(runs: Runs) -> None:
    folder = runs.write("a", [runs.record("a")])
    wall = [2_000_000] * 5 + [9_000_000]
    samples(folder, {"rounds": [{"wall_ns": wall, "cpu_ns": [2_000_000] * 6, "load_ms": 1, "first_ms": 1}]})
    (one,) = made(folder).content["benchmarks"]
    assert one["stats"]["max"] == pytest.approx(0.002)
    assert one["stats"]["rounds"] == 5


def test_cells_that_stopped_or_have_no_samples_are_named(runs: Runs) -> None:
    stopped = runs.stopped(runs.record("a", cell("int8")))
    folder = runs.write("a", [stopped, runs.record("a", cell("none"))])
    found = made(folder)
    assert [one["params"]["quant"] for one in found.content["benchmarks"]] == ["none"]
    assert found.left_out == (stopped.cell.id,)


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", '{"rounds": 3}', '{"rounds": [1]}', {"rounds": []}, {"rounds": [{}]},
        {"rounds": [{"wall_ns": ["x"], "cpu_ns": [1]}]},
        {"rounds": [{"wall_ns": [1, 2, 3, 4], "cpu_ns": [1, 2]}]},
        {"rounds": [{"wall_ns": [-5, -5, -5], "cpu_ns": None}]},
        '{"rounds": [{"wall_ns": [1e999, 1, 1], "cpu_ns": null}]}',
    ],
)  # fmt: skip
def test_samples_that_are_not_samples_are_left_out(runs: Runs, content: object) -> None:
    folder = runs.write("a", [runs.record("a")])
    samples(folder, content)
    found = made(folder)
    assert found.content["benchmarks"] == []
    assert len(found.left_out) == 1


def test_samples_outside_the_run_are_not_read(runs: Runs) -> None:
    folder = runs.write("a", [runs.record("a")])
    (path,) = (folder / "samples").iterdir()
    outside = folder.parent / "outside.json"
    outside.write_text(path.read_text())
    record = replace(runs.record("a"), details={"files": {"samples": "../outside.json"}})
    assert made(runs.write("a", [record])).content["benchmarks"] == []


def test_the_machine_is_that_of_the_run_and_has_no_name(runs: Runs) -> None:
    environment = {"cpu": "EPYC", "cores": 2, "python": "3.11.7", "git_revision": "abc", "cpu_flags": ["avx2"]}
    content = made(runs.write("a", [runs.record("a")], environment=environment)).content
    assert content["machine_info"]["cpu"] == {"brand_raw": "EPYC", "arch": None, "count": 2, "flags": ["avx2"]}
    assert content["machine_info"]["node"] == ""
    assert content["commit_info"]["id"] == "abc"
    assert content["datetime"] == "2026-11-01T02:00:00Z"
