"""A cell in the words of trackers: names that every server takes, finite numbers, files of the run alone."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import plugins
from harness.tables import judge_all
from harness.trackers.contract import Entry, Tracked, entry, files
from tests.harness.report.conftest import Runs, plain

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def of(record: object) -> Entry:
    (judged,) = judge_all([record])  # type: ignore[list-item]
    return entry(judged)


def test_options_are_parameters_by_their_path() -> None:
    record = replace(
        plain(), options={"quant": {"method": "ptq", "deny": []}, "model": {"training": {"epochs": 3}}, "seed": 0}
    )
    found = of(record).parameters
    assert found | {
        "model": "mobilenet_v2", "quant": "int8", "threads": "1", "quant.method": "ptq", "quant.deny": "[]",
        "model.training.epochs": "3", "seed": "0",
    } == found  # fmt: skip


def test_numbers_are_metrics_and_words_are_tags() -> None:
    found = of(plain(odd=math.nan, infinite=math.inf, form="integers"))
    assert found.metrics["top1"] == 0.9722
    assert not {"odd", "infinite", "per_channel", "form", "input_shape"} & set(found.metrics)
    assert found.tags["value.per_channel"] == "true"
    assert found.tags["value.form"] == "integers"
    assert found.tags["verdict"] == "clean"
    assert "reason" not in found.tags


def test_what_stopped_says_why() -> None:
    found = of(Runs.stopped(plain(), "failed", "export", "converter_error", "no"))
    assert (found.tags["reason"], found.tags["verdict"], found.metrics) == ("converter_error", "fails", {})


@given(
    st.dictionaries(st.text(), TREES, max_size=4),
    st.dictionaries(st.text(), st.floats() | st.text()),
)
def test_any_record_has_names_that_a_server_takes(options: dict[str, object], values: dict[str, float | str]) -> None:
    found = of(replace(plain(), options={"quant": {}, **options}, values=values))
    for name in (*found.parameters, *found.metrics, *found.tags):
        assert re.fullmatch(r"[\w\- ][\w\-. ]{0,249}", name)
    assert all(isinstance(value, str) for value in (*found.parameters.values(), *found.tags.values()))
    assert all(math.isfinite(value) for value in found.metrics.values())


def test_files_are_those_of_the_run_and_none_outside(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "logs").mkdir(parents=True)
    for name in ("logs/export.log", "samples.json", "../secret"):
        (folder / name).write_text("x")
    kept = {
        "samples": "samples.json",
        "gone": "gone.json",
        "outside": "../secret",
        "absolute": str(tmp_path / "secret"),
    }
    record = replace(plain(), details={"files": kept}, logs={"export": "logs/export.log"})
    (judged,) = judge_all([record])
    run = Tracked(folder, (judged,))
    assert sorted(path.name for path in files(run, judged)) == ["export.log", "samples.json"]


@pytest.mark.parametrize("name", plugins.names("trackers"))
def test_every_tracker_has_what_its_contract_says(name: str) -> None:
    module = plugins.load("trackers", name)
    assert [one for one in plugins.NEEDED["trackers"] if not hasattr(module, one)] == []
    assert plugins.options(module, {"method": name})
