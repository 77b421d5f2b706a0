"""Suspected slow-downs are measured again: by a fake, that fails in every way, and by real processes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import environment, files
from harness.compare import again
from harness.compare.again import Gone, Subject
from harness.compare.comparison import Comparison
from harness.compare.confirm import confirmed
from harness.compare.render import as_json
from harness.metrics.latency import Round
from harness.records import Cell, Value
from tests.harness.compare.conftest import LIMITS, Runs, a_round, cell
from tests.harness.compare.kept import MEASURE, Machine, kept

SLOW = (2.4, 2.42, 2.44)
RUNTIME = '''
"""Turns in a loop as often as the artifact says: a processor of known speed."""
from dataclasses import dataclass

READS = ("tflite",)
PACKAGES = ()
LIBRARIES = ()

@dataclass
class Options:
    batch: int = 1

class Session:
    def __init__(self, turns):
        self.turns = turns
    def prepare(self, image):
        self.image = image
    def invoke(self):
        for _ in range(self.turns):
            pass

def open_session(artifact, options, threads):
    return Session(int(artifact.read_text()))
'''


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return this machine's fingerprint, as the records of these tests have it."""
    monkeypatch.setattr(environment, "fingerprint", lambda _: "f00d")
    return "f00d"


@pytest.fixture
def slow(runs: Runs, here: str, tmp_path: Path) -> Callable[..., Comparison]:
    """Write a base and a candidate that is slower by a fifth; return their comparison."""

    def made(*cells: Cell, **values: Value) -> Comparison:
        wanted = cells or (cell(),)
        runs.write("a", [kept(runs.record("a", one, **values), tmp_path / "cache") for one in wanted])
        cand = (kept(runs.record("b", one, medians_ms=SLOW), tmp_path / "cache", 2) for one in wanted)
        runs.write("b", list(cand))
        return runs.compare("a", "b")

    return made


def _latency(found: Comparison) -> list[tuple[str, str | None]]:
    return [(one.grade, one.again) for one in found.findings if one.section == "latency"]


def test_what_is_slow_again_stays_a_regression(slow: Callable[..., Comparison]) -> None:
    first = slow()
    assert _latency(first) == [("regression", None)]
    machine = Machine(a=2.0, b=[2.3, 2.32, 2.34, 2.36, 2.38])
    found = confirmed(first, measure=machine)
    assert _latency(found) == [("regression", "confirmed")]
    assert found.code == 1
    assert found.findings[0].text.endswith("confirmed: 1.17× (1.15× … 1.19×) in 5 pairs measured in turn")
    assert Counter(machine.asked) == {"a": 5, "b": 5}
    assert all(set(machine.asked[i : i + 2]) == {"a", "b"} for i in range(0, 10, 2))
    assert len({tuple(machine.asked[i : i + 2]) for i in range(0, 10, 2)}) == 2, "the order is not always the same"


def test_what_is_not_slow_again_is_a_note(slow: Callable[..., Comparison]) -> None:
    found = confirmed(slow(), measure=Machine(a=2.0, b=[2.01, 1.99, 2.02, 2.0, 2.3]))
    assert _latency(found) == [("note", "refuted")]
    assert (found.code, found.regressions) == (0, ())
    (one,) = found.findings
    assert "2.02 → 2.42 ms (1.20×)" in one.text
    assert "not confirmed: 1.00× (" in one.text
    assert json.loads(as_json.text(found))["findings"][0]["again"] == "refuted"


@pytest.mark.parametrize(("ms", "outcome"), [(2.09, "refuted"), (2.11, "confirmed")])
def test_the_threshold_holds_for_the_second_measurement_too(
    slow: Callable[..., Comparison], ms: float, outcome: str
) -> None:
    assert _latency(confirmed(slow(), measure=Machine(a=2.0, b=ms)))[0][1] == outcome


def test_a_large_step_that_is_not_beyond_doubt_is_not_confirmed(slow: Callable[..., Comparison]) -> None:
    found = confirmed(slow(), measure=Machine(a=2.0, b=[1.9, 2.3, 1.95, 2.4, 2.5]))
    assert _latency(found) == [("note", "refuted")]


def test_disturbed_pairs_are_made_up_for(slow: Callable[..., Comparison]) -> None:
    machine = Machine(a=2.0, b=[None, 2.4, None, 2.4, None, 2.4, 2.4, 2.4])
    found = confirmed(slow(), measure=machine)
    assert _latency(found) == [("regression", "confirmed")]
    assert Counter(machine.asked) == {"a": 8, "b": 8}


def test_on_a_machine_that_is_never_quiet_the_suspicion_stays(slow: Callable[..., Comparison]) -> None:
    machine = Machine(a=2.0, b=[None, 2.0, None, 2.0, *[None] * 6])
    found = confirmed(slow(), measure=machine)
    assert _latency(found) == [("regression", "unconfirmed")]
    assert found.findings[0].text.endswith("unconfirmed: only 2 pairs ran undisturbed")
    assert len(machine.asked) == 20


def test_few_undisturbed_pairs_are_enough(slow: Callable[..., Comparison]) -> None:
    machine = Machine(a=2.0, b=[None, 2.0, None, 2.0, *[None] * 5, 2.0])
    found = confirmed(slow(), measure=machine)
    assert _latency(found) == [("note", "refuted")]
    assert "in 3 pairs" in found.findings[0].text


@pytest.mark.parametrize(
    ("run", "kind", "told"),
    [
        ("a", "export", "the artifact of the base is no longer in the cache (a)"),
        ("b", "export", "the artifact of the candidate is no longer in the cache (b)"),
        ("a", "dataset", "the dataset of the base is no longer in the cache (a)"),
    ],
)
def test_what_is_gone_is_told_and_the_suspicion_stays(
    slow: Callable[..., Comparison], tmp_path: Path, run: str, kind: str, told: str
) -> None:
    first = slow()
    files.remove_tree(tmp_path / "cache" / run / "int8" / kind)
    machine = Machine()
    found = confirmed(first, measure=machine)
    assert _latency(found) == [("regression", "unconfirmed")]
    assert found.code == 1
    assert found.findings[0].text.endswith(f"unconfirmed: {told}")
    assert machine.asked == []


def test_a_cell_that_cannot_be_measured_does_not_stop_the_others(slow: Callable[..., Comparison]) -> None:
    first = slow(cell("int8"), cell("float16"))
    assert len(_latency(first)) == 2

    def machine(one: Subject) -> Round:
        if "float16" in str(one.inputs["artifact"]):
            raise Gone("latency: Killed: no memory")
        return a_round(2.0)

    found = confirmed(first, measure=machine)
    assert sorted(_latency(found)) == [("note", "refuted"), ("regression", "unconfirmed")]
    (stays,) = found.regressions
    assert stays.cell == cell("float16").id
    assert "unconfirmed: latency: Killed: no memory" in stays.text


def test_only_what_is_suspected_is_measured(slow: Callable[..., Comparison], runs: Runs) -> None:
    """Of the other cells, and of what got faster or is another kind of regression, nothing is measured."""
    first = slow(sparsity=0.5)
    equal = runs.compare("b", "b")
    assert confirmed(equal, measure=Machine()) is equal
    faster = runs.compare("b", "a")
    assert _latency(faster) == [("improvement", None)]
    assert confirmed(faster, measure=Machine()) is faster
    others = [one for one in confirmed(first, measure=Machine(a=2.0, b=2.0)).findings if one.section != "latency"]
    assert others == [one for one in first.findings if one.section != "latency"]


def test_another_machine_cannot_confirm_it(slow: Callable[..., Comparison], monkeypatch: pytest.MonkeyPatch) -> None:
    first = slow()
    monkeypatch.setattr(environment, "fingerprint", lambda _: "beef")
    found = confirmed(first, measure=Machine())
    assert _latency(found) == [("regression", "unconfirmed")]
    assert "measured on another machine or in another environment than this" in found.findings[0].text


def test_cells_of_another_toolchain_stay_suspected(slow: Callable[..., Comparison]) -> None:
    machine = Machine()
    found = confirmed(slow(replace(cell(), toolchain="tf215")), measure=machine)
    assert _latency(found) == [("regression", "unconfirmed")]
    assert "cells of toolchain tf215 are not measured again" in found.findings[0].text
    assert machine.asked == []


@pytest.mark.parametrize("broken", [None, [1], {"export": 3}, {"export": "\x00"}, {}])
def test_a_record_that_does_not_say_what_it_was_made_from_is_gone(runs: Runs, here: str, broken: Any) -> None:
    record = runs.record("a")
    runs.write("a", [record])
    one = runs.compare("a", "a").base
    with pytest.raises(Gone, match="no longer in the cache"):
        again.subject(one, replace(record, details={"made_from": broken}), MEASURE)


def test_a_candidate_that_does_not_say_how_it_was_measured_stays_suspected(
    runs: Runs, here: str, tmp_path: Path
) -> None:
    runs.write("a", [runs.record("a")])
    runs.write("b", [runs.record("b", medians_ms=SLOW)])
    found = confirmed(runs.compare("a", "b"), measure=Machine())
    assert found.findings[0].text.endswith("unconfirmed: the candidate does not say how it was measured")


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Write a runtime that turns in a loop."""
    folder = tmp_path / "plugins"
    (folder / "runtimes").mkdir(parents=True)
    (folder / "runtimes" / "loop.py").write_text(RUNTIME)
    return folder


def _real(runs: Runs, tmp_path: Path, turns: tuple[int, int]) -> Comparison:
    """Return a suspicion of artifacts that really take so many turns."""
    runs.write("a", [kept(runs.record("a"), tmp_path / "cache", turns[0])])
    runs.write("b", [kept(runs.record("b", medians_ms=SLOW), tmp_path / "cache", turns[1])])
    first = runs.compare("a", "b", limits=replace(LIMITS, confirm_pairs=3, latency=0.15))
    assert _latency(first) == [("regression", None)]
    return replace(first, limits=replace(first.limits, latency=1.0))  # no neighbour on this machine makes that much


@pytest.mark.parametrize(("turns", "outcome"), [((60_000, 60_000), "refuted"), ((30_000, 300_000), "confirmed")])
def test_real_processes_tell_a_false_alarm_from_a_slow_down(
    runs: Runs, here: str, tmp_path: Path, plugins: Path, turns: tuple[int, int], outcome: str
) -> None:
    lines: list[str] = []
    found = confirmed(_real(runs, tmp_path, turns), str(plugins), tell=lines.append)
    assert lines[0] == "suspected cells are measured again: 1, pair 1 of 3"
    if "ran undisturbed" in found.findings[0].text:
        assert _latency(found) == [("regression", "unconfirmed")]
        pytest.skip("no quiet on this machine: of six pairs not three ran undisturbed")
    assert _latency(found)[0][1] == outcome, found.findings


def test_another_file_in_place_of_the_artifact_is_told(runs: Runs, here: str, tmp_path: Path, plugins: Path) -> None:
    first = _real(runs, tmp_path, (1000, 1000))
    (tmp_path / "cache" / "b" / "int8" / "export" / "model.tflite").write_text("999")
    found = confirmed(first, str(plugins))
    assert _latency(found) == [("regression", "unconfirmed")]
    assert "model.tflite has sha256" in found.findings[0].text


def test_a_runtime_that_is_not_there_is_told(runs: Runs, here: str, tmp_path: Path) -> None:
    found = confirmed(_real(runs, tmp_path, (1000, 1000)))
    assert _latency(found) == [("regression", "unconfirmed")]
    assert "runtime 'loop' does not exist" in found.findings[0].text
