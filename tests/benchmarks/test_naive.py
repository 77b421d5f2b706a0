"""How ``naive.py`` sums up: from records and job results to the parts of a cost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.records import RECORD_VERSION, Cell, JobResult, Record


@pytest.fixture(scope="module")
def naive() -> Any:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("naive_benchmark", Path(__file__).with_name("naive.py"))
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def a_round(first_ms: float, warmup_ms: list[int], wall_ms: list[int]) -> dict[str, Any]:
    return {
        "first_ms": first_ms,
        "warmup_ns": [n * 10**6 for n in warmup_ms],
        "wall_ns": [n * 10**6 for n in wall_ms],
    }


def a_record(quant: str, runtime: str, seconds: float) -> Record:
    return Record(
        version=RECORD_VERSION, run="r", cell=Cell("m", "f", quant, "tflite", runtime, 1, "photos"), key="k",
        status="ok", stage="latency", failure=None, options={}, values={"images": 24}, missing={}, details={},
        artifact=None, artifact_sha256=None, fingerprint="", reproduce="", logs={}, started_at="", seconds=seconds,
    )  # fmt: skip


def evaluation(name: str, seconds: float, began: float, ended: float, inference: float) -> JobResult:
    return JobResult(
        f"evaluate/m/{name}",
        details={"inference": {"inference_s": inference, "began_s": began, "ended_s": ended}},
        seconds=seconds,
    )


@pytest.fixture
def jobs() -> dict[str, JobResult]:
    """Two conversions, and their evaluations, which infer side by side for 2 of 6 seconds."""
    made = [
        JobResult("dataset/photos/224x3", seconds=1),
        JobResult("source/m", seconds=9),
        JobResult("quantize/m/none", seconds=0.5),
        JobResult("quantize/m/int8", seconds=0.5),
        JobResult("export/m/none/tflite", values={"convert_s": 3.0}, seconds=4),
        JobResult("export/m/int8/tflite", values={"convert_s": 6.0}, seconds=8),
        evaluation("none/tflite/cpu", 5, 100, 104, 4),
        evaluation("int8/tflite/cpu", 6, 102, 106, 4),
    ]
    return {job.id: job for job in made}


def test_a_cell_is_as_much_work_as_all_its_rounds(naive: Any) -> None:
    rounds = [a_round(9, [5, 5], [4, 4, 4]), a_round(9, [5], [4])]
    one = naive.Measured(a_record("none", "cpu", 30), rounds)
    assert one.name == "none/tflite/cpu"
    assert one.effort == {"images": 24, "warmups": 5, "samples": 4}


def test_the_parts_of_the_harness_add_up(naive: Any, jobs: dict[str, JobResult]) -> None:
    measured = [
        naive.Measured(a_record("none", "cpu", 19.5 + 2), [a_round(100, [400], [500, 500])]),
        naive.Measured(a_record("int8", "cpu", 24.5 + 3), [a_round(0, [1000], [1000])]),
    ]
    cost = naive.harness_cost(60.0, 70.0, measured, jobs)
    assert cost.parts == pytest.approx({
        "building: images, model, SavedModel": 11,
        "converting": 9,
        "auditing, sizes": 3,
        "evaluating: imports, loading, comparing": 3,
        "latency: imports, loading, pinning": 5 - 3.5,
        "processes, parent, cache, tables; less overlap": 50.5 - 27.5,
    })  # fmt: skip
    assert cost.inference == pytest.approx(6 + 3.5)  # 6: both evaluations together, side by side for a part
    assert sum(cost.parts.values()) == pytest.approx(cost.rest)


def test_seconds_of_a_record_hold_those_of_its_own_jobs_alone(naive: Any, jobs: dict[str, JobResult]) -> None:
    found = naive.jobs_of(a_record("int8", "cpu", 0), jobs)
    assert sorted(found) == [
        "dataset/photos/224x3", "evaluate/m/int8/tflite/cpu", "export/m/int8/tflite", "quantize/m/int8", "source/m",
    ]  # fmt: skip


def test_time_that_no_run_took_is_no_inference(naive: Any) -> None:
    half = [evaluation("none/tflite/cpu", 9, 0, 8, 4), evaluation("none/tflite/xnnpack", 9, 0, 8, 4)]
    assert naive.evaluating_s(half) == pytest.approx(4)
    assert naive.evaluating_s([JobResult("evaluate/m/none/tflite/cpu", seconds=2)]) == 0


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([], 0), ([(0, 2), (5, 6)], 3), ([(1, 4), (0, 2)], 4), ([(0, 9), (2, 3)], 9)],
)
def test_a_union_counts_every_moment_once(naive: Any, spans: list[tuple[float, float]], seconds: float) -> None:
    assert naive.union(spans) == seconds


def test_what_the_naive_script_did_not_note_is_its_start_and_end(naive: Any) -> None:
    cost = naive.naive_cost(50.0, 55.0, {"imports": 5.0, "converting": 20.0, "inference": 15.0})
    assert cost.rest == 35
    assert cost.parts == {"imports": 5, "converting": 20, "Python's start and end": 10}


def test_the_table_shows_both_sides_and_their_ratio(naive: Any) -> None:
    ours = naive.Cost(30.0, 40.0, 10.0, {"converting": 20.0})
    theirs = naive.Cost(60.0, 60.0, 20.0, {"converting": 25.0, "imports": 15.0})
    lines = {line[:54].strip(): line[54:].split() for line in naive.table(ours, theirs).splitlines()}
    assert lines["converting"] == ["20.0", "25.0"]
    assert lines["imports"] == ["–", "15.0"]
    assert lines["everything but timed inferences"] == ["20.0", "40.0", "ratio", "0.500"]
