"""What a run says while it goes on: plain lines elsewhere, live lines on a terminal."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from harness import config, plan
from harness.records import Failure, JobResult
from harness.runner.pool import Done
from harness.runner.progress import Progress

PLAN = plan.make(
    config.compose(["quant=none", "export=tflite", "runtime=[cpu,xnnpack]", "measure=quick", "measure.rounds=2"]).config
)
NODES = PLAN.batches[0].nodes
KINDS = ["dataset", "source", "quantize", "export", "evaluate", "latency"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def done(seconds: float = 0.5, *, cached: bool = False, failure: Failure | None = None) -> Done:
    return Done(None, JobResult("job", failure=failure, seconds=seconds), cached=cached)


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


@pytest.fixture
def plain() -> Progress:
    progress = Progress(stream=io.StringIO())
    progress.plan(PLAN)
    return progress


def test_the_plan_is_told_with_its_jobs(plain: Progress) -> None:
    jobs = len(NODES) + 2 * 2  # two rounds of two cells
    assert lines(plain.stream)[0].endswith(f"] 1 models, 2 cells, {jobs} jobs")
    assert [row.stage for row in plain.rows()] == KINDS


def test_plain_lines_hold_no_control_codes_and_only_what_is_worth_it(plain: Progress) -> None:
    before = len(lines(plain.stream))
    plain.started(NODES[0])
    plain.finished(NODES[0], done(0.1))
    plain.finished(NODES[1], done(60, cached=True))
    assert len(lines(plain.stream)) == before
    plain.finished(NODES[2], done(7.25))
    assert lines(plain.stream)[-1].endswith(f"{NODES[2].id}: 7.2 s")
    assert "\x1b" not in plain.stream.getvalue()


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_a_failure_is_one_line_with_stage_and_reason(kind: Any) -> None:
    progress = Progress(stream=kind())
    progress.plan(PLAN)
    failure = Failure("failed", "audit", "float_ops", "StageFailed", "computes in float: X\nand a second line")
    progress.finished(NODES[3], done(failure=failure))
    progress.close()
    text = f"{NODES[3].id}: failed at audit, float_ops: computes in float: X"
    assert sum(text in line for line in lines(progress.stream)) == 1
    assert "second line" not in progress.stream.getvalue()
    assert {row.stage: row.failed for row in progress.rows()}[NODES[3].kind] == 1


def test_what_never_began_counts_as_over_and_is_not_told(plain: Progress) -> None:
    before = plain.stream.getvalue()
    failure = Failure("failed", "source", "user_error", "UserError", "no")
    plain.finished(NODES[3], done(failure=failure), quiet=True)
    assert plain.stream.getvalue() == before
    row = next(row for row in plain.rows() if row.stage == NODES[3].kind)
    assert (row.done, row.failed) == (1, 0)


def test_time_left_follows_what_was_seen_and_ends_at_nothing(plain: Progress) -> None:
    guessed = plain.eta_s()
    plain.finished(NODES[0], done(4000))
    plain.more("dataset", 1)
    assert plain.eta_s("dataset") == pytest.approx(4000 / plain.slots)
    assert plain.eta_s() > guessed
    for node in NODES:
        plain.finished(node, done(cached=True))
    plain.measured(4, cached=True)
    assert plain.eta_s() == 0
    plain.note("the end")
    assert lines(plain.stream)[-1] == f"[{len(NODES) + 5}/{len(NODES) + 5}] the end"


def test_a_long_job_is_heard_of_now_and_then(plain: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from its own beginning: one that has just begun has nothing to tell, however old the run is."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    before = len(lines(plain.stream))
    plain.started(NODES[1])
    for second in range(25):
        now[0] = 1000.0 + second
        plain.tick([(NODES[1], (second / 25, f"epoch {second}"))])
    assert [line.split("] ")[1] for line in lines(plain.stream)[before:]] == [
        f"{NODES[1].id}: epoch 11",
        f"{NODES[1].id}: epoch 22",
    ]


def test_a_model_done_before_is_over_at_once(plain: Progress) -> None:
    plain.skipped(PLAN.batches[0])
    assert plain.eta_s() == 0
    assert all(row.done == row.total for row in plain.rows())


def test_waiting_is_said_once_for_each_reason(plain: Progress) -> None:
    for why in ("process 7 measures", "process 7 measures", "process 8 measures"):
        plain.waiting(why)
    assert [line.split("waiting: ")[1] for line in lines(plain.stream) if "waiting" in line] == [
        "process 7 measures",
        "process 8 measures",
    ]


def test_a_terminal_gets_a_live_line_for_each_stage_and_is_left_clean() -> None:
    progress = Progress(stream=Terminal())
    progress.plan(PLAN)
    progress.finished(NODES[0], done(cached=True))
    progress.tick([(NODES[1], (0.25, "epoch 3/12"))])
    shown = progress.stream.getvalue()
    assert "\x1b[" in shown
    for kind in KINDS:
        assert kind in shown, kind  # whole, on a terminal of 80 columns too
    assert "1 cached" in shown
    assert "ETA" in shown
    progress.note("kept above")
    progress.close()
    assert "kept above" in progress.stream.getvalue()
    assert progress.stream.getvalue().rindex("\x1b[?25h") > progress.stream.getvalue().rindex("\x1b[?25l")


def test_what_runs_now_is_in_the_row_of_its_stage() -> None:
    progress = Progress(stream=Terminal())
    progress.plan(PLAN)
    progress.tick([(NODES[1], (0.25, "epoch 3/12")), (NODES[3], (0.5, "")), (NODES[0], None)])
    progress.close()
    now = {row.stage: row.now for row in progress.rows()}
    assert now[NODES[1].kind] == f"{NODES[1].id} epoch 3/12"
    assert now[NODES[3].kind] == f"{NODES[3].id} 50%"
    assert now[NODES[0].kind] == NODES[0].id


def test_measuring_is_heard_of_with_an_eta_that_conversions_have_no_part_in(
    plain: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    now += 3600
    for node in NODES:
        plain.finished(node, done(600))
    before = len(lines(plain.stream))
    for _ in range(3):
        now += 6
        plain.measured(1)
    shown = [line.partition("] ")[2] for line in lines(plain.stream)[before:]]
    assert shown == ["latency: 1 of 4 measurements", "latency: 3 of 4 measurements"]
    assert plain.eta_s() == pytest.approx(6)
