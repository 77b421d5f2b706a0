"""From facts to records: what is gathered, what stops a cell, and a reason for every column without a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import config, plan
from harness.cache import Entry
from harness.plan import PlannedCell
from harness.records import Failure, JobResult
from harness.runner import compose
from harness.runner.pool import Done

PLAN = plan.make(config.compose(["quant=int8", "export=[tflite,onnx]", "measure=quick"]).config)
CELLS = {planned.cell.id: planned for planned in PLAN.cells}
XNNPACK = "mobilenet_v2/none/tflite/xnnpack/t1"
FAILED = Failure("crashed", "export", "signal_11", "SIGSEGV", "it died")


def measured(ns: int, number: int = 0, batch: int = 1) -> list[JobResult]:
    wall = [ns] * 300
    details = {"wall_ns": wall, "cpu_ns": wall, "warmup_ns": wall[:5], "load_ms": 1.0, "first_ms": 2.0}
    details |= {"round": number, "batch": batch}
    return [JobResult("r", values={"load_ms": 1.0}, details=details, seconds=2.0, peak_rss_bytes=ns)]


def done(**fields: Any) -> Done:
    return Done(None, JobResult("j", seconds=1.0, **fields), log="logs/j.log")


def record(planned: PlannedCell, rounds: dict[str, list[JobResult]], **ends: Done) -> Any:
    nodes = {"quantize": f"quantize/{planned.cell.model}/{planned.cell.quant}", "export": planned.export_node,
             "evaluate": planned.evaluate_node, "source": "s", "dataset": "d"}  # fmt: skip
    found = {nodes[kind]: end for kind, end in ends.items()}
    context = compose.Context("run", "print", "2026-11-22T00:00:00Z", found, rounds, "s", "d")
    return compose.record(planned, "key", "python -m harness", context)[0]


def test_values_of_all_jobs_come_together_with_paired_ratios() -> None:
    rounds = {XNNPACK: measured(1_000_000), XNNPACK.replace("xnnpack", "cpu"): measured(4_000_000)}
    ends = {
        "quantize": done(peak_rss_bytes=101),
        "export": done(values={"size_bytes": 7}, peak_rss_bytes=99),
        "evaluate": done(missing={"top1": "no labels"}),
    }
    made = record(CELLS[XNNPACK], rounds, **ends)
    assert (made.status, made.stage, made.failure) == ("ok", "latency", None)
    assert made.values["size_bytes"] == 7
    assert (made.values["peak_rss_quantize_bytes"], made.values["peak_rss_convert_bytes"]) == (101, 99)
    assert made.values["peak_rss_run_bytes"] == 1_000_000
    assert made.values["speedup_vs_cpu"] == pytest.approx(4.0)
    assert "speedup_vs_float" not in made.values  # it is the float model
    assert made.missing["top1"] == "no labels"
    assert made.seconds == 5.0
    assert set(made.logs) == {"quantize", "export", "evaluate"}


def test_the_first_failure_decides_and_every_column_says_why() -> None:
    later = done(failure=Failure("failed", "load", "x", "X", "x"))
    made = record(CELLS[XNNPACK], {}, export=done(failure=FAILED), evaluate=later)
    assert (made.status, made.stage, made.failure) == ("crashed", "export", FAILED)
    for column in (*compose.ACCURACY_COLUMNS, *compose.LATENCY_COLUMNS, "size_bytes"):
        assert made.missing[column] == "crashed at export: signal_11"
    assert made.artifact is None


def test_a_refused_cell_says_what_the_quantizer_said() -> None:
    planned = CELLS["mobilenet_v2/int8/onnx/onnxruntime/t1"]
    made = record(planned, {})
    assert (made.status, made.stage) == ("unsupported", "quantize")
    assert (made.failure.message, made.failure.reason) == (planned.refusal.text, planned.refusal.reason)
    assert made.missing["top1"] == "unsupported at quantize: no_such_form"


@pytest.mark.parametrize(("rounds", "reason"), [([], "no_round"), ([JobResult("r", failure=FAILED)], "signal_11")])
def test_without_a_whole_round_there_is_no_latency(rounds: list[JobResult], reason: str) -> None:
    made = record(CELLS[XNNPACK], {XNNPACK: rounds}, evaluate=done(values={"cosine": 1.0}))
    assert made.failure.reason == reason
    assert made.values["cosine"] == 1.0
    assert "cosine" not in made.missing
    assert reason in made.missing["latency_p50_ms"]


def test_the_artifact_is_a_path_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "artifact.json").write_text(json.dumps({"file": "model.tflite"}))
    result = JobResult("e", values={"artifact_sha256": "ab"})
    entry = Entry("export", "key", tmp_path / "data", "digest", result)
    made = record(CELLS[XNNPACK], {XNNPACK: measured(1)}, export=Done(entry, result))
    assert (made.artifact, made.artifact_sha256) == (str(tmp_path / "data" / "model.tflite"), "ab")
    monkeypatch.chdir(tmp_path)
    made = record(CELLS[XNNPACK], {XNNPACK: measured(1)}, export=Done(entry, result))
    assert made.artifact == "data/model.tflite"


def test_a_noisy_cell_keeps_its_values_and_says_how_noisy() -> None:
    disturbed = measured(1_000_000)
    disturbed[0].details["cpu_ns"] = [1_000_000] * 90 + [500_000] * 210
    made = record(CELLS[XNNPACK], {XNNPACK: disturbed}, evaluate=done(values={"cosine": 1.0}))
    assert (made.status, made.failure.reason) == ("noisy", "noisy")
    assert "only 30% of the samples" in made.failure.message
    assert made.values["latency_p50_ms"] == pytest.approx(1.0)
    assert made.values["cosine"] == 1.0


def test_speed_against_the_float_model_pairs_round_with_round() -> None:
    """Both got slower at the same time: the ratio does not move, and its interval is over the rounds."""
    int8 = XNNPACK.replace("none", "int8")
    rounds = {int8: measured(1_000_000) + measured(2_000_000, 1) + measured(3_000_000, 2),
              XNNPACK: measured(3_000_000) + measured(6_000_000, 1) + measured(9_000_000, 2)}  # fmt: skip
    made = record(CELLS[int8], rounds)
    assert made.values["speedup_vs_float"] == pytest.approx(3.0)
    assert made.values["speedup_vs_float_ci_low"] == pytest.approx(3.0)
    assert made.values["speedup_vs_float_ci_high"] == pytest.approx(3.0)
    assert "speedup_vs_cpu" not in made.values  # it was not measured


def test_a_round_that_only_one_of_two_was_measured_in_is_part_of_no_pair() -> None:
    """The cell was noisy, and measured once more in round 3; its partner, noisy after that, in rounds 3 and 4."""
    int8 = XNNPACK.replace("none", "int8")
    rounds = {int8: measured(1_000_000) + measured(5_000_000, 4),
              XNNPACK: measured(3_000_000) + measured(9_000_000, 3) + measured(15_000_000, 4)}  # fmt: skip
    made = record(CELLS[int8], rounds)
    assert [made.values[f"speedup_vs_float{end}"] for end in ("_ci_low", "_ci_high")] == pytest.approx([3.0, 3.0])
    rounds[XNNPACK] = measured(9_000_000, 3)
    assert "speedup_vs_float" not in record(CELLS[int8], rounds).values


def test_there_is_no_ratio_of_different_batches() -> None:
    int8 = XNNPACK.replace("none", "int8")
    made = record(CELLS[int8], {int8: measured(1_000_000, batch=8), XNNPACK: measured(3_000_000)})
    assert "speedup_vs_float" not in made.values
    assert made.missing["speedup_vs_float"] == "not of as many images an invoke: 1 and 8"


def test_there_is_no_ratio_to_a_partner_that_broke() -> None:
    int8 = XNNPACK.replace("none", "int8")
    broken = [*measured(3_000_000), JobResult("r", failure=FAILED)]
    made = record(CELLS[int8], {int8: measured(1_000_000), XNNPACK: broken})
    assert made.status == "ok"
    assert "speedup_vs_float" not in made.values


def test_the_shape_of_the_input_comes_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "source.json").write_text(json.dumps({"input": {"shape": [1, 24, 20, 1]}}))
    result = JobResult("s", values={"parameters": 5})
    source = Done(Entry("source", "key", tmp_path, "digest", result), result)
    made = record(CELLS[XNNPACK], {XNNPACK: measured(1)}, source=source)
    assert made.values["input_shape"] == "24x20x1"
    assert made.values["parameters"] == 5


def test_raw_samples_are_handed_over_apart() -> None:
    context = compose.Context("run", "print", "", {}, {XNNPACK: measured(7)}, "s", "d")
    made, samples = compose.record(CELLS[XNNPACK], "key", "python", context)
    assert samples["rounds"][0]["wall_ns"] == [7] * 300
    assert "wall_ns" not in made.details
