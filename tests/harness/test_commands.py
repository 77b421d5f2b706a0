"""A cell of a run by its name, or by a part of it that is unique."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.commands import find_cell
from harness.errors import UserError
from tests.harness.report.conftest import Runs, plain


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Two models of which one's name is a part of the other's; one of them on two tasks."""
    one, other = plain("mobilenet", export="tflite"), plain("mobilenet_v2")
    photos = replace(other, cell=replace(other.cell, task="photos"))
    return str(Runs(tmp_path).write([one, other, photos]))


@pytest.mark.parametrize("name", ["mobilenet/int8", "mobilenet/int8/tflite/xnnpack/t1", "digits:mobilenet/int8"])
def test_whole_parts_of_a_name_come_before_parts_of_words(run: str, name: str) -> None:
    assert find_cell(run, name)[1].cell.id == "mobilenet/int8/tflite/xnnpack/t1"


def test_of_several_tasks_one_is_asked_for(run: str) -> None:
    assert find_cell(run, "photos:mobilenet_v2")[1].cell.task == "photos"
    assert find_cell(run, "digits: mobilenet_v2/int8/tflite/xnnpack/t1")[1].cell.task == "digits"
    with pytest.raises(UserError, match=r"not unique: digits:mobilenet_v2/\S+, photos:mobilenet_v2/"):
        find_cell(run, "mobilenet_v2/int8/tflite/xnnpack/t1")


def test_a_colon_that_is_no_task_is_part_of_the_name(run: str) -> None:
    with pytest.raises(UserError, match="c:mobilenet_v2' is not in"):
        find_cell(run, "c:mobilenet_v2")
