"""What must be said before the numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.records import Record
from harness.report.matrix import labels
from harness.report.remarks import remarks
from harness.tables import judge_all


def said(*records: Record) -> tuple[str, ...]:
    judged = judge_all(records)
    return remarks(judged, labels(judged))


def pair(runs: Any, xnnpack_ms: float, **audit: Any) -> list[Record]:
    cpu = runs.plain(quant="none", runtime="cpu", latency_p50_ms=10.0)
    return [cpu, runs.plain(quant="none", latency_p50_ms=xnnpack_ms, **audit)]


def test_an_ordinary_run_needs_no_remark(runs: Any) -> None:
    assert said(*pair(runs, 3.1)) == ()


@pytest.mark.parametrize("xnnpack_ms", [9.71, 10.0, 10.29])
def test_equal_columns_mean_that_the_delegate_was_not_applied(runs: Any, xnnpack_ms: float) -> None:
    (line,) = said(*pair(runs, xnnpack_ms, partitions=0))
    assert line.startswith("none tflite: cpu and xnnpack are the same within 3% for mobilenet_v2 (10.0 and ")
    assert line.endswith("the delegate was not applied.")


def test_equal_columns_with_partitions_name_what_stayed_outside(runs: Any) -> None:
    (line,) = said(*pair(runs, 10.0, partitions=18, undelegated_ops=17))
    assert "(10.0 and 10.0 ms, 18 partitions, 17 operators outside)" in line
    assert line.endswith("the delegate was not applied to what takes the time.")


def test_what_many_cells_share_is_one_line(runs: Any) -> None:
    """Of 25 models int16x8 alone would be 25 lines above the matrix."""
    names = [f"m{number}" for number in range(9)]
    made = [replace(one, cell=replace(one.cell, model=name)) for name in names for one in pair(runs, 10.0)]
    (line,) = said(*made)
    assert "for m0 (10.0 and 10.0 ms, 1 partitions, 0 operators outside), m1 (" in line
    assert "outside) and 3 more: the delegate" in line
    noisy = [replace(one, status="noisy") for one in made]
    assert said(*noisy)[0].count("/t1") == 6


@pytest.mark.parametrize("xnnpack_ms", [9.6, 10.4, None])
def test_different_or_unmeasured_columns_are_no_news(runs: Any, xnnpack_ms: Any) -> None:
    assert said(*pair(runs, xnnpack_ms)) == ()


def test_cells_of_different_machines_are_not_held_against_each_other(runs: Any) -> None:
    cpu, xnnpack = pair(runs, 10.0)
    (line,) = said(cpu, replace(xnnpack, fingerprint="beef"))
    assert "2 different machines" in line


def test_baseline_off_and_noise_are_named(runs: Any) -> None:
    noisy = replace(runs.plain(runtime="cpu"), status="noisy")
    lines = said(runs.plain(quant="none", baseline_off=True), noisy)
    assert lines[0].startswith("baseline off: mobilenet_v2.")
    assert "noisy latency in 1 of 2 cells" in lines[1]
    assert noisy.cell.id in lines[1]


def test_wide_intervals_say_what_differences_mean_nothing(runs: Any) -> None:
    wide = {"latency_p50_ms": 10.0, "latency_ci_low_ms": 9.0, "latency_ci_high_ms": 13.0, "unsteady": True}
    (line,) = said(runs.plain(**wide))
    assert line.startswith("latencies: the interval over processes reaches 30% from the median in the middle of 1 ")
    assert "1 drifted within a process" in line
