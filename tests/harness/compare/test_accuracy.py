"""Top-1 of all cells of a task together: a loss that each of them has, and that none can show alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness.compare.comparison import Comparison
from harness.compare.render import junit, markdown, terminal
from tests.harness.compare.conftest import IMAGES, Runs, cell, right

CELLS = tuple(cell(model=f"net{i}") for i in range(40))


def _written(runs: Runs, lost: int, *, few: int = len(CELLS), first: int = 0) -> Comparison:
    """Return the comparison of nets of which some lost so many images, each of them others."""
    runs.write("a", [runs.record("a", one) for one in CELLS], {one.id: right(441) for one in CELLS})
    after = {one.id: right(441) for one in CELLS}
    for number, one in enumerate(CELLS[:few]):
        kept = right(441)
        kept[(np.arange(lost) + first * number) % 400] = False
        after[one.id] = kept
    runs.write("b", [runs.record("b", one) for one in CELLS], after)
    return runs.compare("a", "b")


@pytest.mark.parametrize("first", [0, 9])
def test_a_small_loss_of_every_cell_is_found(runs: Runs, first: int) -> None:
    """Of nine images each, the same ones or others: forty times p = 0.004 is no longer significant."""
    found = _written(runs, 9, first=first)
    (one,) = found.regressions
    assert (one.cell, one.kind, one.effect) == ("40 cells of digits together", "top1_together", -9 / IMAGES)
    assert "top-1 -2.0 points in the middle of 40 cells" in one.text
    assert sum(line.grade == "note" for line in found.findings) == 40
    assert found.code == 1
    assert any(one.cell in "".join(text for text, _ in line) for line in terminal.lines(found))
    assert one.cell in markdown.page(found)
    assert 'failures="1"' in junit.text(found)
    assert '<failure type="top1_together"' in junit.text(found)


@pytest.mark.parametrize(
    ("lost", "few"),
    [
        (2, 40),  # below the threshold
        (5, 40),  # the same five images: chance loses so many
        (9, 19),  # more stayed as they were
        (20, 40),  # each is named already
    ],
)
def test_nothing_is_said_of_all_where_it_is_chance_or_said_of_each(runs: Runs, lost: int, few: int) -> None:
    assert "top1_together" not in {one.kind for one in _written(runs, lost, few=few).findings}


def test_a_gain_of_every_cell_is_an_improvement(runs: Runs) -> None:
    _written(runs, 9)
    found = runs.compare("b", "a")
    (one,) = [line for line in found.findings if line.kind == "top1_together"]
    assert (one.grade, found.code) == ("improvement", 0)


def test_images_that_are_no_whole_numbers_are_told(runs: Runs) -> None:
    for name in "ab":
        folder = runs.write(name, [runs.record(name)])
        (file,) = (folder / "predictions").iterdir()
        with np.load(file) as stored:
            np.savez(file, **{**stored, "image": stored["image"] + 0.5})
    (one,) = runs.compare("a", "b").findings
    assert (one.grade, one.kind) == ("note", "predictions")
    assert "numbers of images or classes that are not whole" in one.text


def test_a_single_cell_is_not_called_together(runs: Runs) -> None:
    for name, count in (("a", 441), ("b", 436)):
        runs.write(name, [runs.record(name)], {cell().id: right(count)})
    assert [one.kind for one in runs.compare("a", "b").findings] == ["top1"]


def test_tasks_are_looked_at_by_themselves(runs: Runs) -> None:
    tasks = {name: [cell(model=f"{name}{i}", task=name) for i in range(20)] for name in ("digits", "folder")}
    every = [one for cells in tasks.values() for one in cells]
    runs.write("a", [runs.record("a", one) for one in every])
    runs.write("b", [runs.record("b", one) for one in every], {one.id: right(432) for one in tasks["digits"]})
    assert [one.cell for one in runs.compare("a", "b").regressions] == ["20 cells of digits together"]
