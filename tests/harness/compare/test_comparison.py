"""What a comparison calls a regression, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.compare.comparison import Comparison
from harness.errors import UserError
from tests.harness.compare.conftest import LIMITS, Runs, cell, right

HERE = cell().id


def kinds(found: Comparison) -> list[tuple[str, str, str]]:
    return [(one.section, one.grade, one.kind) for one in found.findings]


def test_a_run_against_itself_has_nothing_to_say(runs: Runs) -> None:
    runs.write("a", [runs.record("a")], {HERE: right(441)})
    found = runs.compare("a", "a")
    assert found.findings == ()
    assert found.code == 0
    assert found.remarks == ("latency of 1 cells is the same measurement on both sides, served from the cache",)


def test_two_equal_measurements_are_no_regression(runs: Runs) -> None:
    runs.write("a", [runs.record("a")], {HERE: right(441)})
    runs.write("b", [runs.record("b", medians_ms=(1.99, 2.03, 2.05))], {HERE: right(441, first=1)})
    found = runs.compare("a", "b")
    assert (found.findings, found.remarks, found.code) == ((), (), 0)


def test_status_comes_first_and_each_change_has_its_name(runs: Runs) -> None:
    quants = ("none", "int8", "float16", "dynamic", "int8_only")
    whole = {q: runs.record("a", cell(q)) for q in quants}
    base = [whole["none"], whole["int8"], runs.stopped(whole["float16"]), runs.stopped(whole["dynamic"])]
    runs.write("a", [*base, whole["int8_only"]])
    slow = runs.record("b", cell("none"), medians_ms=(3.0, 3.01, 3.02))
    now = {q: runs.record("b", cell(q)) for q in quants}
    cand = [slow, runs.stopped(now["int8"], "aborted", "crashed"), now["float16"], runs.stopped(now["dynamic"], "oom")]
    runs.write("b", [*cand, runs.record("b", cell("int16x8"))])
    found = runs.compare("a", "b")
    assert kinds(found) == [
        ("status", "regression", "new_failure"),
        ("status", "regression", "missing_cell"),
        ("status", "improvement", "fixed"),
        ("status", "note", "changed_reason"),
        ("status", "note", "new_cell"),
        ("latency", "regression", "latency_p50_ms"),
    ]
    assert found.findings[0].text == "ok → crashed at export (aborted): it says aborted"
    assert found.code == 1
    subset = runs.compare("a", "b", subset=True)
    assert ("status", "note", "missing_cell") in kinds(subset)


def test_a_noisy_cell_is_no_failure_and_its_latency_is_left_alone(runs: Runs) -> None:
    runs.write("a", [runs.record("a")])
    slow = runs.record("b", medians_ms=(9.0, 9.1, 9.2), noisy=True)
    runs.write("b", [replace(slow, status="noisy")])
    assert kinds(runs.compare("a", "b")) == [("status", "note", "noise")]


@pytest.mark.parametrize(
    ("column", "before", "after", "grade"),
    [
        ("size_bytes", 1_000_000, 1_021_000, "regression"),
        ("size_bytes", 1_000_000, 1_019_000, None),
        ("size_bytes", 1_000_000, 900_000, "improvement"),
        ("int8_mac_share", 1.0, 0.98, "regression"),
        ("float_ops", 0, 1, "regression"),
        ("partitions", 1, 18, "regression"),
        ("undelegated_ops", 5, 0, "improvement"),
        ("sparsity", 0.5, 0.4, "regression"),
        ("opset", 13, 14, "regression"),
        ("opset", 14, 13, "regression"),
        ("sqnr_db", 25.0, 12.0, "regression"),
        ("sqnr_db", 107.0, 87.0, None),  # float32 itself, in another order of sums
        ("sqnr_db", 87.0, 107.0, None),
        ("sqnr_db", 107.0, 78.0, None),
        ("sqnr_db", 107.0, 60.0, "regression"),  # as of float32 become float16
        ("cosine", 0.9, 0.99, "improvement"),
    ],
)
def test_what_an_artifact_is_may_move_as_far_as_its_rule_says(
    runs: Runs, column: str, before: float, after: float, grade: str | None
) -> None:
    runs.write("a", [runs.record("a", **{column: before})])
    runs.write("b", [runs.record("b", medians_ms=(2.0, 2.01, 2.05), **{column: after})])
    found = [one for one in runs.compare("a", "b").findings if one.kind == column]
    assert [one.grade for one in found] == ([grade] if grade else [])


def test_a_column_that_vanished_is_said(runs: Runs) -> None:
    runs.write("a", [runs.record("a", sparsity=0.5)])
    runs.write("b", [runs.record("b")])
    (one,) = [f for f in runs.compare("a", "b").findings if f.kind == "sparsity"]
    assert (one.grade, one.text) == ("note", "sparsity is missing in the candidate: not pruned")


def test_latencies_of_two_machines_are_not_compared_unless_told(runs: Runs) -> None:
    runs.write("a", [runs.record("a")], environment={"cpu": "one", "packages": {"numpy": "2.0"}})
    slow = runs.record("b", medians_ms=(4.0, 4.1, 4.2), fingerprint="beef")
    runs.write("b", [slow], environment={"cpu": "two", "packages": {"numpy": "2.1"}})
    found = runs.compare("a", "b")
    assert found.code == 0
    (told,) = found.remarks
    assert "(cpu one → two; numpy 2.0 → 2.1), and is not compared" in told
    found = runs.compare("a", "b", across="machines")
    assert found.code == 1
    assert "compared all the same, as --across-machines asks" in found.remarks[0]


def test_an_upgrade_on_the_same_machine_is_compared_where_that_is_asked_for(runs: Runs) -> None:
    here = {"cpu": "one", "cores": 2, "packages": {"onnxruntime": "1.31.0"}}
    runs.write("a", [runs.record("a")], environment=here)
    slow = runs.record("b", medians_ms=(4.0, 4.1, 4.2), fingerprint="beef")
    runs.write("b", [slow], environment=here | {"packages": {"onnxruntime": "1.32.0"}})
    found = runs.compare("a", "b")
    assert (found.code, found.remarks) == (0, (
        "latency of 1 of 1 cells was measured with other versions on the same machine (onnxruntime 1.31.0 → 1.32.0), "
        "and is not compared; --across-versions compares it all the same",
    ))  # fmt: skip
    found = runs.compare("a", "b", across="versions")
    assert [(one.grade, one.kind) for one in found.findings] == [("regression", "latency_p50_ms")]
    assert found.remarks[0].endswith("and is compared all the same, as --across-versions asks")
    slower = runs.record("b", medians_ms=(2.16, 2.18, 2.2), fingerprint="beef")
    runs.write("c", [replace(slower, run="c")], environment=here)  # 8 %: no second measurement can tell
    assert runs.compare("a", "c", across="versions").code == 0
    runs.write("c", [replace(slower, run="c", fingerprint="f00d")], environment=here)
    assert runs.compare("a", "c").code == 1
    runs.write("b", [slow], environment=here | {"cores": 4})
    assert runs.compare("a", "b", across="versions").code == 0
    runs.write("b", [slow], environment={"packages": {}})  # nobody knows which machine that was
    assert runs.compare("a", "b", across="versions").code == 0


def test_a_latency_that_was_too_noisy_is_told(runs: Runs) -> None:
    quiet = [runs.record("a", cell(name)) for name in ("int8", "none", "float16")]
    runs.write("a", [replace(quiet[0], status="noisy"), *quiet[1:]])
    runs.write("b", [replace(one, run="b", status="noisy") for one in quiet[:2]] + [replace(quiet[2], run="b")])
    told = "latency of 2 cells is not compared, for it was too noisy: 1 in the base, 2 in the candidate"
    assert told in runs.compare("a", "b").remarks


def test_several_runs_a_side_give_the_test_its_power(runs: Runs) -> None:
    for day in range(1, 5):
        shift = day / 1000
        runs.write(f"a{day}", [runs.record(f"a{day}", day=day, medians_ms=(2 + shift, 2.02 + shift, 2.04 + shift))])
        runs.write(f"b{day}", [runs.record(f"b{day}", day=day, medians_ms=(2.2 + shift, 2.22 + shift, 2.24 + shift))])
    found = runs.compare("a*", "b*")
    (one,) = found.findings
    assert one.adjusted_p is not None
    assert one.adjusted_p < 0.001
    assert one.effect == pytest.approx(1.1, abs=0.01)
    assert "(12 against 12 processes)" in one.text


def test_a_measurement_that_several_runs_took_from_the_cache_counts_once(runs: Runs) -> None:
    for name in ("a1", "a2", "a3"):
        runs.write(name, [runs.record(name, day=int(name[1]))])
    runs.write("b1", [runs.record("b1", medians_ms=(2.3, 2.31, 2.32))])
    (one,) = runs.compare("a*", "b1").findings
    assert "3 against 3 processes cannot give less than 0.1" in one.text


def test_one_process_a_side_needs_more_and_says_what_it_can_find(runs: Runs) -> None:
    runs.write("a", [runs.record("a", medians_ms=[2.0])])
    runs.write("b", [runs.record("b", medians_ms=[2.15])])
    found = runs.compare("a", "b")
    assert found.code == 0
    assert "a slow-down of 13% is found in 4 of 5 cases, and 0.38 in 1,000 equal cells alarm" in found.remarks[0]
    runs.write("c", [runs.record("c", medians_ms=[2.3])])
    assert runs.compare("a", "c").code == 1


def test_a_common_slow_down_points_at_the_machine(runs: Runs) -> None:
    quants = ("none", "int8", "float16", "dynamic", "int8_only")
    runs.write("a", [runs.record("a", cell(q)) for q in quants])
    runs.write("b", [runs.record("b", cell(q), medians_ms=(2.2, 2.22, 2.24)) for q in quants])
    assert any("all 5 cells together got slower" in text for text in runs.compare("a", "b").remarks)


def test_a_planted_loss_of_accuracy_is_found_among_forty_quiet_cells(runs: Runs) -> None:
    quiet = [cell(model=f"net{i}") for i in range(40)]
    base = {one.id: right(441) for one in quiet} | {HERE: right(441)}
    runs.write("a", [runs.record("a", one) for one in (*quiet, cell())], base)
    runs.write("b", [runs.record("b", one) for one in (*quiet, cell())], base | {HERE: right(432)})
    (one,) = [f for f in runs.compare("a", "b").findings if f.section == "accuracy"]
    assert one.grade == "regression"
    assert one.cell == HERE
    assert "-2.0 points" in one.text
    assert "9 images lost and 0 won of 450" in one.text


def test_a_loss_that_may_be_chance_is_only_noted(runs: Runs) -> None:
    runs.write("a", [runs.record("a")], {HERE: right(441)})
    runs.write("b", [runs.record("b")], {HERE: right(438)})
    (one,) = runs.compare("a", "b").findings
    assert (one.grade, one.adjusted_p) == ("note", None)
    assert one.text.endswith("too few images changed sides to tell: may be chance")
    assert runs.compare("a", "b", limits=replace(LIMITS, top1=0.01)).findings == ()


@pytest.mark.parametrize("content", [b"", b"predictions", b"PK\x05\x06" + bytes(18)])
def test_damaged_predictions_are_said_and_nothing_is_made_of_them(runs: Runs, content: bytes) -> None:
    runs.write("a", [runs.record("a")], {HERE: right(441)})
    folder = runs.write("b", [runs.record("b")], {HERE: right(441)})
    (file,) = (folder / "predictions").iterdir()
    file.write_bytes(content)
    (one,) = runs.compare("a", "b").findings
    assert (one.grade, one.kind) == ("note", "predictions")
    assert file.name in one.text


def test_other_images_are_not_paired(runs: Runs) -> None:
    import numpy as np

    runs.write("a", [runs.record("a")], {HERE: right(441)})
    folder = runs.write("b", [runs.record("b")], {HERE: right(441)})
    (file,) = (folder / "predictions").iterdir()
    with np.load(file) as stored:
        arrays = dict(stored)
    np.savez_compressed(file, **arrays | {"labels": arrays["labels"] + 1})
    assert "labels differ" in runs.compare("a", "b").findings[0].text


def test_a_file_outside_the_run_is_not_opened(runs: Runs) -> None:
    runs.write("a", [runs.record("a")], {HERE: right(441)})
    folder = runs.write("b", [runs.record("b")], {HERE: right(300)})
    (outside,) = (folder / "predictions").iterdir()
    outside.rename(runs.root / "secret.npz")
    stray = runs.record("b")
    folder = runs.write("c", [replace(stray, details={"files": {"predictions": "../secret.npz"}})])
    assert "not in its folder" in runs.compare("a", "c").findings[0].text


def test_damaged_samples_leave_the_columns(runs: Runs) -> None:
    runs.write("a", [runs.record("a")])
    folder = runs.write("b", [runs.record("b", medians_ms=(2.3, 2.31, 2.32))])
    (file,) = (folder / "samples").iterdir()
    for content in ("{", '{"rounds": [{}]}', '{"rounds": 1}', '{"rounds": [{"wall_ns": ["x"], "cpu_ns": [1]}]}'):
        file.write_text(content)
        (one,) = runs.compare("a", "b").findings
        assert "no samples stored" in one.text


def test_damaged_lines_are_named_and_an_empty_run_is_refused(runs: Runs) -> None:
    runs.write("a", [runs.record("a"), runs.record("a", cell("none"))])
    folder = runs.write("b", [runs.record("b"), runs.record("b", cell("none"))])
    lines = (folder / "records.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "records.jsonl").write_bytes(lines[0] + lines[1].replace(b"2026", b"2027"))
    found = runs.compare("a", "b")
    assert found.remarks[0].startswith("candidate: b/records.jsonl, line 2: checksum does not match")
    assert [one.kind for one in found.regressions] == ["missing_cell"]
    (folder / "records.jsonl").write_bytes(b"")
    with pytest.raises(UserError, match="the candidate holds no whole record"):
        runs.compare("a", "b")


def test_runs_without_a_common_cell_are_refused(runs: Runs) -> None:
    runs.write("a", [runs.record("a")])
    runs.write("b", [runs.record("b", cell(task="photos"))])
    with pytest.raises(UserError, match="no cell in common"):
        runs.compare("a", "b")


def test_a_run_that_is_not_finished_is_named(runs: Runs) -> None:
    runs.write("a", [runs.record("a")])
    folder = runs.write("b", [runs.record("b")])
    (folder / "run.json").write_text('{"complete": false}')
    assert "candidate: b is not finished" in runs.compare("a", "b").remarks[0]
