"""Whatever environment.json holds becomes rows; what it cannot be is said."""

from __future__ import annotations

from typing import Any

import pytest

from harness.report.environment import run_info


def test_scalars_lists_and_tables(runs: Any) -> None:
    folder = runs.write([runs.plain()])
    info = run_info("r1", folder, [runs.plain()])
    assert dict(info.facts) == {
        "cpu_flags": "avx2, avx512_vnni, fma",
        "load_average": "0.1, 0.2, 0.1",
        "python": "3.11.9",
    }
    assert [name for name, _ in info.tables] == ["machine", "packages"]
    assert dict(info.tables[0][1])["governor"] == "n/a"
    assert (info.cells, info.fingerprints, info.problem) == (1, ("f00d",), "")


def test_nested_things_are_shown_as_json(runs: Any) -> None:
    folder = runs.write([runs.plain()], environment={"a": {"b": {"c": [1, None]}}, "d": [{"e": True}], "f": True})
    info = run_info("r1", folder, [runs.plain()])
    assert info.tables == (("a", (("b", '{"c": [1, null]}'),)),)
    assert info.facts == (("d", '[{"e": true}]'), ("f", "yes"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "holds no environment.json"), ("{torn", "is damaged"), ("[1]", "holds no mapping")],
)
def test_a_missing_or_damaged_file_is_said(runs: Any, content: str | None, problem: str) -> None:
    folder = runs.write([runs.plain()])
    file = folder / "environment.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    info = run_info("r1", folder, [runs.plain()])
    assert problem in info.problem
    assert info.facts == info.tables == ()


def test_how_undisturbed_it_was_is_part_of_where_it_was_measured(runs: Any) -> None:
    records = [
        runs.plain(quant="none", clean_fraction=0.9, processes=3, unsteady=True),
        runs.plain(quant="int8", clean_fraction=0.4, processes=3, noisy=True),
        runs.plain(quant="dynamic", clean_fraction=0.8, processes=1),
    ]
    assert dict(run_info("r1", runs.write(records), records).noise) == {
        "cells with a latency": "3",
        "processes a cell": "1 (1 cells), 3 (2 cells)",
        "samples that ran undisturbed": "80.0 % in the middle, 40.0 % in the worst cell",
        "noisy cells (under half undisturbed)": "1",
        "cells with a trend in a process": "1",
    }
    stopped = [runs.plain(latency_p50_ms=None)]
    assert run_info("r1", runs.write(stopped), stopped).noise == ()
