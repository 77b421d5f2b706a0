"""What a report is called."""

from __future__ import annotations

from typing import Any

import pytest

from harness.report.view import view
from tests.harness.report.conftest import plain


@pytest.mark.parametrize(
    ("count", "title"),
    [(1, "r0"), (4, "r0, r1, r2, r3"), (5, "5 runs, r0 to r4")],
)
def test_the_title_names_a_few_runs_and_counts_many(runs: Any, count: int, title: str) -> None:
    folder = runs.write([plain(run=f"r{number}") for number in range(count)])
    assert view([folder]).title == title
