"""A history on a terminal and as JSON; where points lie in a picture, and what bars stand for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from harness.history.render import as_json, picture, strip, terminal
from tests.harness.history.conftest import FIRST, Nights, noisy


def said(nights: Nights, days: float = 0) -> list[str]:
    found = nights.look()
    now = FIRST + timedelta(days=nights.count - 1 + days)
    return ["".join(text for text, _ in line) for line in terminal.lines(found, now)]


def test_the_terminal_begins_with_what_was_looked_at_and_ends_with_the_outcome(nights: Nights) -> None:
    nights.nights([*noisy(10), 2.4])
    lines = said(nights)
    assert lines[0] == "11 runs, 2026-09-01 … 2026-09-11, the newest n10"
    assert lines[1] == "Latency"
    assert lines[2].startswith("  ✗ mobilenet_v2/int8/tflite/xnnpack/t1  ")
    assert lines[-1] == "1 cell in the newest night: 1 regression"
    assert said(nights, 3)[1].startswith("old: the newest run is 3 days old")


def test_a_single_run_has_nothing_to_stand_out_from(nights: Nights) -> None:
    nights.nights([2.0])
    assert said(nights)[0].startswith("1 run, ")
    assert said(nights)[-1] == "1 cell in the newest night: nothing stands out"


def test_json_holds_every_series_with_what_was_found(nights: Nights) -> None:
    nights.nights([*noisy(30), *noisy(10, 2.3, seed=1)])
    content = json.loads(as_json.text(nights.look(), FIRST))
    assert content["version"] == 1
    assert content["regression"] is False
    (one,) = content["latency"]
    assert len(one["points"]) == 40
    assert one["points"][0]["low_ms"] < one["points"][0]["ms"] < one["points"][0]["high_ms"]
    assert [change["run"] for change in one["changes"]] == ["n30"]
    assert one["standing"]["way"] == 0
    assert one["drift"] is None
    (row,) = content["cells"]
    assert (len(row["runs"]), row["runs"][0]["size_bytes"]) == (40, 2_700_000)
    assert content["thresholds"]["history"]["window"] == 14
    assert content["old"] is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_points_lie_inside_their_picture_oldest_at_the_left(values: list[float]) -> None:
    made = picture.plain(values)
    assert len(made.dots) == min(len(values), picture.NEWEST)
    assert all(0 <= dot.x <= made.width and 0 <= dot.y <= made.height for dot in made.dots)
    assert [dot.x for dot in made.dots] == sorted(dot.x for dot in made.dots)
    shown = values[-picture.NEWEST :]
    assert shown[min(range(len(shown)), key=lambda i: made.dots[i].y)] >= max(shown) - 0.05 * (max(shown) - min(shown))


def test_noise_is_no_mountain_range(nights: Nights) -> None:
    made = picture.plain([1.0, 1.001, 0.999, 1.0])
    assert max(dot.y for dot in made.dots) - min(dot.y for dot in made.dots) < 0.05 * made.height


def test_a_long_series_shows_its_newest_part_with_its_change_points(nights: Nights) -> None:
    found = nights.nights([*noisy(100), *noisy(60, 2.3, seed=1)]).look()
    made = picture.latencies(found.seen[0])
    assert len(made.dots) == picture.NEWEST
    (step,) = made.steps
    assert made.dots[59].x < step < made.dots[60].x
    assert made.band is not None
    assert made.band[0] < made.dots[-1].y < made.band[1]


def test_runs_that_are_alike_are_one_bar(nights: Nights) -> None:
    good = nights.record()
    failed = nights.runs.stopped(good)
    made = strip.strip([good, good, failed, replace(good, status="noisy"), *[failed] * 3])
    assert [(bar.x, bar.width, bar.kind, bar.tall) for bar in made.bars] == [
        (0, 7, "works", False), (8, 3, "stops", True), (12, 3, "noise", False), (16, 11, "stops", True),
    ]  # fmt: skip
    assert made.width == 28
    assert made.label == "3 of 7 runs worked; the newest: failed at export (converter_error)"
    assert len(strip.strip([good] * 100).bars) == 1
    assert strip.strip([good] * 100).width == strip.NEWEST * strip.STEP
