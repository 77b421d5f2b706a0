"""Stage ``latency`` with a runtime in NumPy, and the reading of the machine's state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.metrics.latency import summarize
from harness.runtimes.contract import Elsewhere
from harness.stages import conditions, latency, opening
from harness.stages.conditions import CpuTicks


@pytest.fixture(autouse=True)
def _own_affinity() -> Iterator[None]:
    """The stage binds its process; that is the test's."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_one_round(toy: Any, reports: Any) -> None:
    outcome = latency.run(toy.job("latency", round=2), reports)
    details = outcome.details
    assert reports.stages == ["latency"]
    assert details["round"] == 2
    assert len(details["warmup_ns"]) == 6
    assert len(details["wall_ns"]) == len(details["cpu_ns"]) == 20
    assert min(details["wall_ns"]) > 0
    assert outcome.values["first_ms"] == details["first_ms"]
    assert details["affinity"] == sorted(os.sched_getaffinity(0))
    assert len(details["affinity"]) == 1
    assert details["involuntary_switches"] >= 0
    assert len(details["load_average"]) == 2
    assert {"governor", "steal_fraction", "threads", "batch", "load_ms"} <= set(details)
    values, _ = summarize([json.loads(json.dumps(details))])
    assert values["samples"] == 20


class Apart:
    """A session whose work another process does: two ticks of its clocks are one run."""

    def __init__(self) -> None:
        self.calls = 0
        self.elsewhere = Elsewhere(
            os.getpid(), 12.5, lambda: self.calls * 7_000, lambda: self.calls * 6_000, {"x": "1"}
        )

    def prepare(self, image: Any) -> None:
        """Nothing."""

    def invoke(self) -> None:
        """Let the clocks move."""
        self.calls += 1


def test_a_session_in_another_process_takes_its_own_times(
    toy: Any, reports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.Subject, "open", lambda self: Apart())
    outcome = latency.run(toy.job("latency"), reports)
    assert (outcome.values["load_ms"], outcome.values["first_ms"]) == (12.5, 0.007)
    assert outcome.details["warmup_ns"] == [7_000] * 6
    assert (outcome.details["wall_ns"], outcome.details["cpu_ns"]) == ([7_000] * 20, [6_000] * 20)


def test_switches_of_another_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert conditions.read(child.pid).involuntary_switches >= 0
    assert conditions.read(os.getpid()).involuntary_switches <= conditions.read().involuntary_switches
    child.communicate(b"\n")
    assert conditions.read(child.pid).involuntary_switches == 0


def test_bounds_and_batch_come_from_the_options(toy: Any, reports: Any) -> None:
    measure = {"min_samples": 10**6, "min_seconds": 1e6, "max_samples": 33, "warmup_runs": 2}
    job = toy.job("latency", measure=measure, runtime={"batch": 4})
    outcome = latency.run(job, reports)
    assert len(outcome.details["wall_ns"]) == 33
    assert len(outcome.details["warmup_ns"]) == 2
    assert outcome.values["batch"] == 4


def test_more_threads_count_the_wait_for_a_processor(toy: Any, reports: Any) -> None:
    job = toy.job("latency", threads=2)
    details = latency.run(job, reports).details
    if Path("/proc/self/schedstat").exists():
        assert all(0 <= cpu <= wall for cpu, wall in zip(details["cpu_ns"], details["wall_ns"], strict=True))
    else:
        assert details["cpu_ns"] is None


def test_without_counts_of_waiting_there_is_no_cpu_time(
    toy: Any, reports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions.WaitClock, "works", False)
    details = latency.run(toy.job("latency", threads=2), reports).details
    assert details["cpu_ns"] is None
    assert "clean_fraction" in summarize([details])[1]


def test_wait_clock_moves_when_threads_share_a_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    stop = threading.Event()
    child = os.fork()
    if not child:
        while True:
            pass
    try:
        with conditions.WaitClock() as waited:
            if not waited.works:
                pytest.skip("this kernel keeps no schedstat")
            before = waited()
            for _ in range(3_000_000):
                stop.is_set()
            assert waited() > before
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


STAT = """cpu  30 0 30 900 10 0 0 6 0 0
cpu0 10 0 20 400 5 0 0 1 0 0
cpu1 20 0 10 500 5 0 0 5 0 0
intr 12345
"""


def test_stat_is_read_by_processor() -> None:
    found = conditions.parse_stat(STAT)
    assert found == {0: CpuTicks(405, 1, 436), 1: CpuTicks(505, 5, 540)}
    assert conditions.parse_stat("nonsense\n") == {}


def test_the_idlest_processors_are_chosen_and_of_equals_the_last() -> None:
    before = {cpu: CpuTicks(0, 0, 0) for cpu in range(4)}
    after = {0: CpuTicks(10, 0, 10), 1: CpuTicks(2, 0, 10), 2: CpuTicks(10, 0, 10), 3: CpuTicks(5, 0, 10)}
    assert conditions.idlest([0, 1, 2, 3], before, after, 1) == [2]
    assert conditions.idlest([0, 1, 2, 3], before, after, 3) == [0, 2, 3]
    assert conditions.idlest([0, 1, 2], {}, {}, 2) == [1, 2]


def test_pinning_to_more_than_there_are_changes_nothing() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    assert conditions.pin(len(allowed) + 5) == allowed


def test_steal_is_a_share_of_the_processors_used() -> None:
    before = conditions.Reading({0: CpuTicks(0, 0, 0), 1: CpuTicks(0, 0, 0)}, 5, 0.5)
    after = conditions.Reading({0: CpuTicks(50, 50, 100), 1: CpuTicks(90, 10, 100)}, 9, 1.5)
    found: dict[str, Any] = conditions.between(before, after, [1])
    assert found["steal_fraction"] == 0.1
    assert found["involuntary_switches"] == 4
    assert found["load_average"] == [0.5, 1.5]
    assert conditions.between(before, before, [])["steal_fraction"] is None


def test_a_machine_without_governor_says_none() -> None:
    assert conditions.governor(10**6) is None
