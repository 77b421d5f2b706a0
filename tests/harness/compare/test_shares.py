"""Agreement of few images: one of 24 stops no build, what chance cannot make does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import shares
from harness.compare.findings import Finding
from harness.compare.render import terminal
from tests.harness.compare.conftest import LIMITS, Runs, cell, right

MODELS = tuple(f"net{i}" for i in range(6))


@pytest.mark.parametrize(
    ("images", "lost", "grade", "words"),
    [
        (24, 1, "note", "agreement 1 → 0.9583 (-0.04167), 1 of 24 images: may be chance"),
        (24, 5, "note", "5 of 24 images: may be chance"),
        (24, 6, "regression", "6 of 24 images"),
        (24, -5, "note", "5 of 24 images: may be chance"),
        (24, -6, "improvement", "6 of 24 images"),
        (450, 10, "regression", "10 of 450 images"),
    ],
)
def test_a_step_of_agreement_counts_from_the_images_that_chance_cannot_move(
    runs: Runs, images: int, lost: int, grade: str, words: str
) -> None:
    shares_of = (1.0, 1 - lost / images) if lost > 0 else (1 + lost / images, 1.0)
    for name, agreed in zip("ab", shares_of, strict=True):
        runs.write(name, [runs.record(name, images=images, agreement=agreed, top1=None)])
    found = runs.compare("a", "b")
    (one,) = found.findings
    assert (one.kind, one.grade) == ("agreement", grade)
    assert one.text.endswith(words)
    assert found.code == (grade == "regression")


def test_the_fewer_images_of_both_sides_count(runs: Runs) -> None:
    runs.write("a", [runs.record("a", images=450, agreement=1.0, top1=None)])
    runs.write("b", [runs.record("b", images=19, agreement=18 / 19, top1=None)])
    (one,) = runs.compare("a", "b").findings
    assert one.text.endswith("1 of 19 images: may be chance")


@pytest.mark.parametrize(
    ("base", "cand", "doubt"),
    [
        ({"images": 24, "cosine": 0.97}, {"images": 20, "cosine": 0.9645}, "other_images"),  # four at 1.0 are enough
        ({"images": 20, "cosine": 0.98}, {"images": 24, "cosine": 0.9}, "other_images"),
        ({"images": 24, "cosine": 0.99}, {"images": 17, "cosine": 0.9}, None),  # seven would have to be above 1
        ({"images": 20, "cosine": 0.98}, {"images": 24, "cosine": 0.6}, None),  # or four below −1
        ({"images": 24, "sqnr_db": 30.0}, {"images": 20, "sqnr_db": 25.0}, "other_images"),
    ],
)
def test_what_images_of_one_side_alone_can_explain_is_a_note(
    runs: Runs, base: dict[str, Any], cand: dict[str, Any], doubt: str | None
) -> None:
    for name, values in (("a", base), ("b", cand)):
        runs.write(name, [runs.record(name, top1=None, **values)])
    found = runs.compare("a", "b")
    (one,) = found.findings
    assert (one.kind, one.doubt) == (next(name for name in base if name != "images"), doubt)
    assert found.code == (doubt is None)
    assert f"of {base['images']} images and of {cand['images']}" in one.text


@given(st.data())
def test_a_mean_over_the_first_images_alone_is_never_called_worse(data: st.DataObject) -> None:
    """Whatever the images have: a run that saw some of them and one that saw all of them, with nothing changed."""
    values = data.draw(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
    few = data.draw(st.integers(1, len(values) - 1))
    means = [(len(one), sum(one) / len(one)) for one in (values, values[:few])]
    first, second = data.draw(st.permutations(means))
    before = Finding("accuracy", "regression", "net", "cosine", "it moved", first[1], second[1])
    records = [Runs(Path()).record(name, images=count) for name, count in (("a", first[0]), ("b", second[0]))]
    assert shares.on_common_images(before, *records).grade == "note"


def test_a_record_that_does_not_say_its_images_is_judged_by_the_rule_alone(runs: Runs) -> None:
    for name, agreed in (("a", 1.0), ("b", 0.95)):
        runs.write(name, [runs.record(name, images=None, agreement=agreed, top1=None)])
    (one,) = runs.compare("a", "b").findings
    assert (one.grade, one.p) == ("regression", None)


def test_many_cells_that_moved_by_an_image_are_one_line(runs: Runs) -> None:
    for name, agreed in (("a", 1.0), ("b", 23 / 24)):
        records = [runs.record(name, cell(model=m), images=24, agreement=agreed, top1=None) for m in MODELS]
        runs.write(name, records)
    found = runs.compare("a", "b")
    assert found.code == 0
    lines = ["".join(text for text, _ in line) for line in terminal.lines(found)]
    said = [line for line in lines if "agreement" in line]
    assert said == [
        "  · 6 cells of 6 models  agreement moved by so few images that it may be chance: "
        "net0/int8/tflite/xnnpack/t1, net1/int8/tflite/xnnpack/t1, net2/int8/tflite/xnnpack/t1 and 3 more"
    ]


def test_a_loss_of_every_cell_is_not_argued_away_by_their_number(runs: Runs) -> None:
    for name, agreed in (("a", 1.0), ("b", 18 / 24)):
        records = [runs.record(name, cell(model=f"net{i}"), images=24, agreement=agreed, top1=None) for i in range(40)]
        runs.write(name, records)
    assert len(runs.compare("a", "b").regressions) == 40


def test_top1_that_may_have_changed_by_chance_keeps_a_line_for_each_cell(runs: Runs) -> None:
    """They have intervals and counts of their own, from the stored predictions."""
    for name, count in (("a", 441), ("b", 438)):
        whole = [runs.record(name, cell(model=m)) for m in MODELS]
        runs.write(name, whole, {one.cell.id: right(count) for one in whole})
    found = runs.compare("a", "b")
    assert [one.grade for one in found.findings] == ["note"] * len(MODELS)
    lines = ["".join(text for text, _ in line) for line in terminal.lines(found)]
    assert sum("3 images lost and 0 won of 450" in line for line in lines) == len(MODELS)


@given(st.integers(-30, 30).filter(bool), st.integers(30, 500), st.sampled_from(["agreement", "cosine"]))
def test_a_finding_stays_or_becomes_a_note_and_only_where_few_images_moved(lost: int, images: int, kind: str) -> None:
    base, cand = (1.0, 1 - lost / images) if lost > 0 else (1 + lost / images, 1.0)
    before = Finding("accuracy", "regression" if lost > 0 else "improvement", "net", kind, "it moved", base, cand)
    seen = [Runs(Path()).record(name, images=count) for name, count in (("a", images), ("b", images + 100))]
    after = shares.weighed(before, seen, LIMITS.significance)
    if kind == "cosine":
        assert after == before
    else:
        assert (after.grade == "note") == (after.doubt == "chance") == (abs(lost) < 6)  # 2 · 2⁻⁵ is above 0.05
        assert (after.base, after.cand, after.grade) in [(base, cand, before.grade), (base, cand, "note")]
