"""Where the commands that look into a cell write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness import looking
from tests.harness.report.conftest import plain


def test_two_tasks_of_one_cell_have_a_folder_each() -> None:
    digits = plain()
    photos = replace(digits, cell=replace(digits.cell, task="photos"))
    places = [looking._out(None, Path("results/r1"), "why", one) for one in (digits, photos)]
    ending = "mobilenet_v2__int8__tflite__xnnpack__t1"
    assert places == [Path(f"reports/r1/why/{task}__{ending}") for task in ("digits", "photos")]


def test_a_folder_that_was_asked_for_is_taken_as_it_is() -> None:
    assert looking._out(Path("here"), Path("results/r1"), "profile", plain()) == Path("here")
