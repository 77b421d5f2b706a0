"""Agreement of few images: one of 24 stops no build, what chance cannot make does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import shares
from harness.compare.findings import Finding
from harness.compare.render import terminal
from tests.harness.compare.conftest import LIMITS, Runs, cell

MODELS = tuple(f"net{i}" for i in range(6))


def _moved(number: int, lost: int, images: int, kind: str = "agreement") -> Finding:
    """Return a cell whose share fell from 1 by ``lost`` of ``images``; it was won where ``lost`` is negative."""
    base, cand = (1.0, 1 - lost / images) if lost > 0 else (1 + lost / images, 1.0)
    grade = "regression" if lost > 0 else "improvement"
    return Finding("accuracy", grade, f"net{number}/int8", kind, f"{kind} moved", base, cand, cand - base)


@pytest.mark.parametrize(
    ("images", "lost", "grade", "words"),
    [
        (24, 1, "note", "agreement 1 → 0.9583 (-0.04167), 1 of 24 images: may be chance"),
        (24, 5, "note", "5 of 24 images: may be chance"),
        (24, 6, "regression", "6 of 24 images, p = 0.031 corrected"),
        (24, -5, "note", "5 of 24 images: may be chance"),
        (24, -6, "improvement", "6 of 24 images, p = 0.031 corrected"),
        (450, 10, "regression", "10 of 450 images, p = 0.002 corrected"),
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


def test_a_column_that_is_no_share_of_images_is_left_as_it_was() -> None:
    found = [_moved(0, 1, 24, "cosine"), replace(_moved(1, 1, 24), grade="note", text="agreement is missing")]
    assert shares.weighed(found, {"net0/int8": 24, "net1/int8": 24}, LIMITS) == found
    assert not any(map(shares.by_chance, found))


@given(st.lists(st.tuples(st.integers(-30, 30).filter(bool), st.integers(30, 500)), max_size=12))
def test_no_finding_is_lost_made_or_made_worse(cells: list[tuple[int, int]]) -> None:
    found = [_moved(i, lost, images) for i, (lost, images) in enumerate(cells)]
    told = shares.weighed(found, {f"net{i}/int8": images for i, (_, images) in enumerate(cells)}, LIMITS)
    assert [(t.cell, t.base, t.cand) for t in told] == [(f.cell, f.base, f.cand) for f in found]
    for before, after, (lost, _) in zip(found, told, cells, strict=True):
        assert after.grade in (before.grade, "note")
        assert shares.by_chance(after) == (after.grade == "note")
        if abs(lost) < 6:
            assert after.grade == "note"  # 2 · 2⁻⁵ is above 0.05
        if len(cells) == 1 and abs(lost) >= 6:
            assert after.grade == before.grade
