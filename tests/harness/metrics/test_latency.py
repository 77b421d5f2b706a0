"""``harness.metrics.latency``: the loop under a fake clock, the summary of made-up rounds."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pytest

from harness.metrics import latency
from harness.metrics.latency import Effort

MS = 1_000_000


class Machine:
    """A processor whose clocks move only while ``invoke`` runs: ``cost`` of CPU and ``stolen`` besides, ns."""

    def __init__(self, cost: Sequence[int] | Iterator[int], stolen: int = 0) -> None:
        self.cost, self.stolen = iter(cost), stolen
        self.wall_now = self.cpu_now = self.runs = 0
        self.collecting: list[bool] = []

    def invoke(self) -> None:
        cost = next(self.cost)
        self.wall_now += cost + self.stolen
        self.cpu_now += cost
        self.runs += 1
        self.collecting.append(gc.isenabled())

    def wall(self) -> int:
        return self.wall_now

    def cpu(self) -> int:
        return self.cpu_now


def effort(**changes: Any) -> Effort:
    plain = {"min_samples": 64, "min_seconds": 1.0, "max_samples": 2000, "cap_seconds": 20.0}
    warm = {"warmup_runs": 5, "warmup_seconds": 0.5, "warmup_cap_s": 5.0}
    return Effort(**{**plain, **warm, **changes})


@pytest.mark.parametrize(
    ("run_ms", "changes", "samples"),
    [
        (1, {}, 1000),  # a second is the longer floor
        (100, {}, 64),  # 64 samples are the longer floor
        (1000, {}, 20),  # the cap
        (15000, {}, 3),  # never fewer than three
        (1, {"max_samples": 100}, 100),
        (1, {"min_seconds": 0.0, "min_samples": 7}, 7),
    ],
)
def test_loop_ends_by_floors_cap_and_bound(run_ms: int, changes: dict[str, Any], samples: int) -> None:
    machine = Machine(repeat(run_ms * MS))
    wall, cpu = latency.timed_loop(machine.invoke, effort(**changes), machine.wall, machine.cpu)
    assert wall == cpu == [run_ms * MS] * samples
    assert machine.runs == samples


def test_loop_keeps_both_times_of_each_run_with_the_collector_off() -> None:
    machine = Machine([2 * MS, 3 * MS, 5 * MS], stolen=MS)
    wall, cpu = latency.timed_loop(machine.invoke, effort(min_samples=3, min_seconds=0), machine.wall, machine.cpu)
    assert wall == [3 * MS, 4 * MS, 6 * MS]
    assert cpu == [2 * MS, 3 * MS, 5 * MS]
    assert machine.collecting == [False] * 3
    assert gc.isenabled()


def test_collector_comes_back_when_a_run_throws() -> None:
    machine = Machine([])
    with pytest.raises(StopIteration):
        latency.timed_loop(machine.invoke, effort(), machine.wall, machine.cpu)
    assert gc.isenabled()


@pytest.mark.parametrize(("run_ms", "runs"), [(1, 500), (200, 5), (2000, 3), (9000, 1)])
def test_warm_up_is_a_fixed_amount_with_a_cap(run_ms: int, runs: int) -> None:
    machine = Machine(repeat(run_ms * MS))
    assert latency.warm_up(machine.invoke, effort(), machine.wall) == [run_ms * MS] * runs


def rounds(*walls: Sequence[float], cpu_share: Sequence[float] | None = None) -> list[dict[str, Any]]:
    """Rounds from wall times in ms; CPU time is the wall time times a share."""
    made = []
    for wall in walls:
        share = cpu_share if cpu_share is not None else [1.0] * len(wall)
        cpu = [w * s * MS for w, s in zip(wall, share, strict=True)]
        made.append({"wall_ns": [w * MS for w in wall], "cpu_ns": cpu, "load_ms": 5.0, "first_ms": 9.0})
    return made


def test_only_clean_samples_count() -> None:
    wall, share = [10.0, 10.2, 10.4, 30.0, 50.0], [1.0, 1.0, 0.98, 0.5, 0.3]
    values, missing = latency.summarize(rounds(wall, cpu_share=share))
    assert values["latency_p50_ms"] == pytest.approx(10.2)
    assert values["latency_min_ms"] == 10.0
    assert values["latency_mean_ms"] == pytest.approx(10.2)
    assert values["latency_mad_ms"] == pytest.approx(0.2)
    assert values["clean_fraction"] == 0.6
    assert values["latency_basis"] == "clean"
    assert values["noisy"] is False
    assert (values["samples"], values["processes"]) == (5, 1)
    assert (values["load_ms"], values["first_ms"]) == (5.0, 9.0)
    assert set(missing) == {"latency_p90_ms", "latency_p99_ms", "latency_ci_low_ms", "latency_ci_high_ms"}


def test_without_clean_samples_all_count_and_it_is_noisy() -> None:
    values, _ = latency.summarize(rounds([10.0, 20.0, 30.0], cpu_share=[0.5, 0.5, 0.5]))
    assert values["latency_basis"] == "all"
    assert values["latency_p50_ms"] == 20
    assert values["noisy"] is True
    assert values["clean_fraction"] == 0


def test_without_cpu_times_cleanness_is_unknown() -> None:
    made = [{**one, "cpu_ns": None} for one in rounds([10.0, 20.0, 30.0])]
    values, missing = latency.summarize(made)
    assert values["latency_p50_ms"] == 20
    assert {"clean_fraction", "noisy"} <= set(missing)
    assert not {"clean_fraction", "noisy"} & set(values)


def test_median_is_that_of_process_medians() -> None:
    values, missing = latency.summarize(rounds([10.0] * 100, [11.0] * 10, [30.0] * 10))
    assert values["latency_p50_ms"] == 11
    assert values["latency_ci_low_ms"] == 10
    assert values["latency_ci_high_ms"] == 30
    assert "latency_ci_low_ms" not in missing


@pytest.mark.parametrize(
    ("samples", "run_ms", "given"),
    [(63, 100.0, set()), (64, 10.0, set()), (64, 16.0, {"p90"}), (661, 10.0, {"p90"}), (662, 10.0, {"p90", "p99"})],
)
def test_percentiles_need_samples_and_seconds(samples: int, run_ms: float, given: set[str]) -> None:
    values, missing = latency.summarize(rounds([run_ms] * samples))
    assert {name for name in ("p90", "p99") if f"latency_{name}_ms" in values} == given
    assert {name for name in ("p90", "p99") if f"latency_{name}_ms" in missing} == {"p90", "p99"} - given


@pytest.mark.parametrize(
    ("last_third", "noise", "unsteady"),
    [(1.0, 0.01, False), (1.01, 0.001, False), (1.1, 0.01, True), (0.9, 0.01, True)],
)
def test_drift_needs_size_and_significance(last_third: float, noise: float, unsteady: bool) -> None:
    wall = np.linspace(10, 10 * last_third, 90) * (1 + noise * np.random.default_rng(0).normal(size=90))
    values, _ = latency.summarize(rounds(list(wall)))
    assert values["unsteady"] is unsteady


def test_every_column_has_a_unit_and_either_a_value_or_a_reason() -> None:
    values, missing = latency.summarize(rounds([10.0] * 5))
    assert set(values) | set(missing) == set(latency.UNITS)
    assert not set(values) & set(missing)
    with pytest.raises(ValueError, match="no rounds"):
        latency.summarize([])


def test_paired_ratio_cancels_what_both_suffer() -> None:
    slow = [1.0, 1.7, 1.2, 2.5]  # the machine, from round to round
    first = rounds(*([20.0 * s] * 9 for s in slow))
    second = rounds(*([10.0 * s] * 9 for s in slow))
    assert latency.paired_ratio(first, second) == pytest.approx((2.0, 2.0, 2.0))


def test_paired_ratio_with_one_pair_has_no_interval() -> None:
    assert latency.paired_ratio(rounds([30.0] * 4), rounds([10.0] * 4)) == (3.0, None, None)
    with pytest.raises(ValueError, match="rounds"):
        latency.paired_ratio(rounds([1.0] * 4), [])


def test_paired_ratio_interval_spans_the_spread() -> None:
    first = rounds(*([10.0 * r] * 5 for r in (1.0, 1.5, 2.0)))
    ratio, low, high = latency.paired_ratio(first, rounds(*([10.0] * 5,) * 3))
    assert (ratio, low, high) == (1.5, 1.0, 2.0)
