"""Histories of whole runs: what is called out in the newest night, and what is only said."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.history import chronicle
from harness.history.tracks import gathered, moment, tracks
from harness.known_issues import KnownIssue
from tests.harness.compare.conftest import cell, right
from tests.harness.history.conftest import FIRST, LIMITS, Nights, kinds, noisy

HERE = cell().id


def test_nights_that_are_alike_have_nothing_to_say(nights: Nights) -> None:
    found = nights.nights(noisy(20)).look()
    assert (kinds(found), found.remarks, found.code) == ([], (), 0)


def test_a_slow_newest_night_is_a_regression_and_a_fast_one_is_not(nights: Nights) -> None:
    found = nights.nights([*noisy(20), 2.3]).look()
    assert kinds(found) == [("latency", "regression", "latency_p50_ms")]
    assert found.code == 1
    (one,) = found.findings
    assert one.text.startswith("1.99 → 2.30 ms (1.15×) against the median of 14 runs before; stands out from 1.05× on")
    assert one.text.endswith("by all of its processes")
    fast = nights.nights([1.5]).look()
    assert [kind[:2] for kind in kinds(fast)] == [("latency", "improvement")]
    assert fast.code == 0


def test_a_night_that_is_over_is_not_called_out(nights: Nights) -> None:
    assert nights.nights([*noisy(20), 2.3, 2.0]).look().code == 0


def test_the_order_of_runs_does_not_matter(nights: Nights) -> None:
    nights.nights([*noisy(14), 2.3])
    folders = sorted(nights.runs.root.iterdir())
    random.Random(1).shuffle(folders)
    assert chronicle(folders, LIMITS) == chronicle(folders[::-1], LIMITS)
    assert kinds(chronicle(folders, LIMITS)) == kinds(nights.look()) != []


def test_single_processes_need_a_second_night(nights: Nights) -> None:
    nights.nights([*noisy(20), 2.3], processes=1)
    assert nights.look().code == 0
    found = nights.nights([2.31], processes=1).look()
    assert found.code == 1
    assert found.findings[0].text.endswith("2 runs in a row")


def test_machines_are_series_of_their_own(nights: Nights) -> None:
    for ms in noisy(8):
        nights.write(nights.record(ms, fingerprint="old", processes=1), cpu="slow")
    found = nights.nights([1.0], fingerprint="new").look()
    assert [(one.series.fingerprint, len(one.series.points)) for one in found.seen] == [("old", 8), ("new", 1)]
    assert kinds(found) == []
    assert found.remarks == (
        "latencies begin anew with n08: another machine or environment (cpu slow → a)",
        "latency of 1 series is not judged: fewer than 5 runs before the newest",
    )


def test_an_old_machine_alarms_no_more(nights: Nights) -> None:
    nights.nights([*noisy(10), 2.5], fingerprint="old")
    assert nights.look().code == 1
    assert nights.nights([2.0], fingerprint="new").look().code == 0


def test_two_architectures_of_a_night_are_both_judged(nights: Nights) -> None:
    for ms in noisy(10):
        nights.write(nights.record(ms, fingerprint="x"), machine="x86_64")
        nights.write(replace(nights.record(2 * ms, fingerprint="arm"), started_at=nights_ago(nights)), machine="arm")
    slow = nights.record(2.4, fingerprint="x")
    nights.write(slow, machine="x86_64")
    other = replace(nights.record(4.0, fingerprint="arm"), started_at=slow.started_at)
    nights.write(other, machine="arm")
    found = nights.look()
    assert [(one.cell, one.grade) for one in found.findings] == [(f"{HERE} on x86_64", "regression")]
    assert all(track.live for track in found.tracks)


def nights_ago(nights: Nights) -> str:
    return f"{FIRST + timedelta(days=nights.count - 1, hours=3):%Y-%m-%dT%H:%M:%SZ}"


def test_two_machines_of_a_kind_in_one_night_are_both_judged_and_told_apart(nights: Nights) -> None:
    for ms in [*noisy(10), 2.4]:
        nights.write(nights.record(ms, fingerprint="one"))
        nights.write(replace(nights.record(ms, fingerprint="two"), started_at=nights_ago(nights)))
    found = nights.look()
    assert [one.cell for one in found.findings] == [f"{HERE} (one)", f"{HERE} (two)"]


def test_a_measurement_out_of_the_cache_is_one_point_and_stays_live(nights: Nights) -> None:
    nights.nights([*noisy(12), 2.4, 2.4, 2.4])
    found = nights.look()
    (one,) = found.seen
    assert len(one.series.points) == 13
    assert one.series.live
    assert found.code == 1
    assert nights.nights([2.0, noisy(12)[-1]]).look().code == 0  # what was changed is changed back


def test_noisy_and_failed_nights_have_no_latency(nights: Nights) -> None:
    nights.nights(noisy(10))
    nights.write(replace(nights.record(9.0), status="noisy"))
    found = nights.look()
    assert kinds(found) == []
    assert found.remarks == ("latency of 1 cells of the newest night is not judged, for it was too noisy",)
    nights.write(nights.runs.stopped(nights.record()))
    found = nights.look()
    assert kinds(found) == [("status", "regression", "new_failure")]
    assert found.findings[0].text == (
        "ok in most of 11 runs before → failed at export (converter_error): it says converter_error"
    )
    (one,) = found.seen
    assert (len(one.series.points), one.series.live) == (10, False)


def test_of_one_run_before_it_is_not_said_that_most_did(nights: Nights) -> None:
    nights.nights([2.0])
    nights.write(nights.runs.stopped(nights.record()))
    (found,) = nights.look().findings
    assert found.text == "ok in the run before → failed at export (converter_error): it says converter_error"


def test_a_known_failure_that_becomes_an_unknown_one_is_still_a_new_failure(nights: Nights) -> None:
    known = {"flaky": KnownIssue("it flakes", ["*"], "export", "converter_error", "https://example.org", "numpy", "1")}
    nights.nights(noisy(13))
    nights.write(nights.runs.stopped(nights.record()))
    assert chronicle([nights.runs.root], LIMITS, known).code == 0
    nights.write(nights.runs.stopped(nights.record(), "aborted", "crashed"))
    found = chronicle([nights.runs.root], LIMITS, known)
    assert kinds(found) == [("status", "regression", "new_failure")]
    for _ in range(30):
        nights.write(nights.runs.stopped(nights.record()))
    nights.write(nights.runs.stopped(nights.record(), "aborted", "crashed"))
    assert kinds(chronicle([nights.runs.root], LIMITS, known)) == [("status", "note", "changed_reason")]


def test_what_always_failed_is_quiet_until_its_reason_changes_or_it_works(nights: Nights) -> None:
    for _ in range(5):
        nights.write(nights.runs.stopped(nights.record()))
    assert kinds(nights.look()) == []
    nights.write(nights.runs.stopped(nights.record(), "aborted", "crashed"))
    assert kinds(nights.look()) == [("status", "note", "changed_reason")]
    nights.nights([2.0])
    assert kinds(nights.look()) == [("status", "improvement", "fixed")]


def test_sizes_and_shares_move_by_the_rules_of_compare(nights: Nights) -> None:
    nights.nights(noisy(9))
    nights.write(nights.record(2.0, size_bytes=2_800_000, float_ops=2, cosine=0.9))
    found = nights.look()
    assert kinds(found) == [
        ("artifacts", "regression", "size_bytes"),
        ("artifacts", "regression", "float_ops"),
        ("accuracy", "regression", "cosine"),
    ]
    assert found.findings[0].text == "size_bytes 2,700,000 in 9 runs before → 2,800,000 (1.04×)"


@pytest.mark.parametrize(("images", "grade"), [(24, "note"), (450, "regression")])
def test_agreement_of_few_images_raises_no_alarm(nights: Nights, images: int, grade: str) -> None:
    for night in range(9):
        nights.write(nights.record(2.0 + night / 500, images=images, agreement=1.0))
    nights.write(nights.runs.stopped(nights.record()))  # one that says nothing of images
    nights.write(nights.record(2.0, images=images, agreement=23 / 24))
    assert kinds(nights.look()) == [("accuracy", grade, "agreement")]


def test_only_nights_of_as_many_images_are_held_against_the_newest(nights: Nights) -> None:
    for night in range(9):
        few = {"images": 4, "cosine": 0.9, "agreement": 0.75} if night % 3 else {"images": 24, "agreement": 1.0}
        nights.write(nights.record(2.0 + night / 500, **few))
    nights.write(nights.record(2.0, images=17, cosine=0.8, agreement=0.5))
    assert kinds(nights.look()) == []
    nights.write(nights.record(2.0, images=24, cosine=0.9, agreement=0.7))
    assert kinds(nights.look()) == [("accuracy", "regression", "agreement"), ("accuracy", "regression", "cosine")]


def test_accuracy_is_held_against_the_median_night_image_by_image(nights: Nights) -> None:
    for night in range(8):
        nights.write(nights.record(2.0 + night / 500), correct={HERE: right(441)})
    nights.write(nights.record(2.0, top1=432 / 450), correct={HERE: right(432)})
    found = nights.look()
    assert [kind[:2] for kind in kinds(found)] == [("accuracy", "regression")]
    assert "-2.0 points" in found.findings[0].text
    assert "9 images lost and 0 won of 450" in found.findings[0].text


def test_a_loss_that_may_be_chance_stops_nothing(nights: Nights) -> None:
    for _ in range(3):
        nights.write(nights.record(), correct={HERE: right(441)})
    nights.write(nights.record(top1=437 / 450), correct={HERE: right(437)})
    found = nights.look()
    assert [kind[:2] for kind in kinds(found)] == [("accuracy", "note")]
    assert found.code == 0


def test_predictions_that_are_gone_are_one_line_for_all_cells(nights: Nights) -> None:
    both = cell(), cell("none")
    for night in range(2):
        folder = nights.write(*(nights.record(2 + night, one) for one in both))
    shutil.rmtree(folder / "predictions")
    found = nights.look()
    assert kinds(found) == []
    assert "2 cells: accuracy is not compared: the predictions of the candidate are not in its folder" in found.remarks


def test_a_new_level_and_a_drift_are_said_and_stop_nothing(nights: Nights) -> None:
    nights.nights([*noisy(30), *noisy(12, 2.15, seed=1)])
    found = nights.look()
    assert kinds(found) == [("latency", "note", "change_point")]
    assert found.findings[0].text.startswith("another level since n30: 2.00 → 2.16 ms")
    creeping = cell("none")
    for night, ms in enumerate(noisy(40, spread=0.004)):
        nights.write(nights.record(ms * 1.003**night, creeping))
    found = nights.look()
    assert kinds(found) == [("latency", "note", "drift")]
    assert found.findings[0].text.startswith("gets slower little by little: 1.09× over 30 runs")


def test_cells_that_are_not_part_of_the_newest_night_are_said_and_not_judged(nights: Nights) -> None:
    nights.nights([*noisy(8), 2.5], cell("none"))
    found = nights.nights([2.0], cell("int8")).look()
    assert kinds(found) == []
    assert f"1 of 2 cells are not part of the newest night and not judged, such as {cell('none').id} (last in n08)" in (
        found.remarks
    )


def test_a_night_may_be_in_pieces(nights: Nights) -> None:
    nights.nights([*noisy(8), 2.5], cell("none"))
    piece = replace(nights.record(2.0, cell("int8")), started_at=nights_ago(nights))
    nights.write(piece)
    assert nights.look().code == 1
    assert nights.look(night_hours=1.0).code == 0


def test_what_cannot_be_seen_is_said(nights: Nights) -> None:
    nights.nights(noisy(40, spread=0.1))
    (text,) = nights.look().remarks
    assert text.startswith("latency of 1 of 1 series is so unsteady that less than 1.10× does not stand out")


def test_a_machine_that_moved_as_a_whole_is_said(nights: Nights) -> None:
    nets = [cell(model=f"net{i}") for i in range(6)]
    for night, ms in enumerate([*noisy(8), 2.6]):
        nights.write(*(nights.record(ms + i / 100, net) for i, net in enumerate(nets)))
        assert nights.count == night + 1
    found = nights.look()
    assert len(found.regressions) == 6
    assert "all 6 series of the machine f00d together got slower (1.29× in the middle)" in found.remarks[-1]


def test_a_run_that_is_not_finished_is_said(nights: Nights) -> None:
    folder = nights.nights(noisy(3)).write(nights.record())
    (folder / "run.json").write_text('{"complete": false}')
    assert "n03 is not finished, so cells may be missing" in nights.look().remarks


def test_an_old_history_says_its_age(nights: Nights) -> None:
    found = nights.nights(noisy(3)).look()
    newest = FIRST + timedelta(days=2)
    assert found.freshness(newest + timedelta(days=1)) is None
    assert found.freshness(newest + timedelta(days=5)) == (
        "the newest run is 5 days old (2026-09-03 02:00 UTC): this is not the state of today"
    )


def test_a_time_that_is_none_is_said(nights: Nights) -> None:
    nights.write(replace(nights.record(), started_at="yesterday"))
    assert nights.look().freshness(datetime.now(UTC)) == "the newest run does not say when it was ('yesterday')"
    assert moment("2026-11-25T02:00:00") == moment("2026-11-25T02:00:00Z")


def test_runs_are_given_as_folders_globs_or_a_folder_of_them(nights: Nights) -> None:
    nights.nights(noisy(3))
    root = nights.runs.root
    whole = gathered([root])
    assert whole.runs == ("n00", "n01", "n02")
    assert gathered([root / "n0*"]).runs == whole.runs
    assert gathered([root / "n02", root / "n00"]).runs == ("n00", "n02")
    shutil.rmtree(root)
    root.mkdir()
    with pytest.raises(UserError, match=r"holds no records\.jsonl"):
        gathered([root])


def test_a_damaged_line_and_a_damaged_environment_are_no_end(nights: Nights) -> None:
    folder = nights.nights(noisy(6)).write(nights.record())
    (folder / "environment.json").write_text("[1")
    with (folder / "records.jsonl").open("ab") as file:
        file.write(b'{"torn')
    found = nights.look()
    assert "the line is skipped" in found.remarks[0]
    assert {track.architecture for track in tracks(found.runs, 12)} == {"x86_64", ""}


def test_values_that_are_no_numbers_are_left_out(nights: Nights, tmp_path: Path) -> None:
    nights.nights(noisy(6))
    odd = nights.record()
    nights.write(replace(odd, values={**odd.values, "latency_p50_ms": "fast", "size_bytes": True, "top1": "good"}))
    found = nights.look()
    assert kinds(found) == []
    assert len(found.seen[0].series.points) == 6


ISSUE = KnownIssue("it takes no such layer", ["*/int8/*"], "export", "refuses", "https://example.org/1", "tool", "1.0")


def test_a_failure_that_is_expected_is_known_and_alarms_when_it_is_over(nights: Nights) -> None:
    issues, where = {"no_layer": ISSUE}, cell("int8")
    for _ in range(3):
        nights.write(nights.record(where=where), packages={"tool": "0.9"})
    nights.write(nights.runs.stopped(nights.record(where=where), "refuses"), packages={"tool": "1.1"})
    assert kinds(nights.look()) == [("status", "regression", "new_failure")]
    found = chronicle([nights.runs.root], LIMITS, issues)
    assert kinds(found) == [("status", "known", "known_issue")]
    assert found.code == 0
    nights.write(nights.record(where=where), packages={"tool": "1.2"})
    over = chronicle([nights.runs.root], LIMITS, issues)
    assert [one for one in kinds(over) if one[0] == "status"] == [("status", "regression", "known_issue_over")]
    assert over.code == 1
