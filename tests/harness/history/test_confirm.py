"""What stands out in the newest night is measured again, against a night that was as the nights before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import environment, files
from harness.history.chronicle import Chronicle
from harness.history.confirm import confirmed
from harness.records import Record
from tests.harness.compare.conftest import cell
from tests.harness.compare.kept import Machine, kept
from tests.harness.history.conftest import Nights, noisy

USUAL = [2.0, 2.01, 1.99, 2.3, 2.0, 2.02]
"""Nights before, ms; that of ``n03`` was unusual."""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have the fingerprint of the records of these tests."""
    monkeypatch.setattr(environment, "fingerprint", lambda _: "f00d")


@pytest.fixture
def slow(nights: Nights, tmp_path: Path) -> Chronicle:
    """Return nights, each with its artifact, the newest a fifth slower."""
    for ms in [*USUAL, 2.4]:
        nights.write(_kept(nights, tmp_path, ms))
    found = nights.look()
    assert _latency(found) == [("regression", None)]
    return found


def _kept(nights: Nights, root: Path, ms: float, **more: Any) -> Record:
    return kept(nights.record(ms, **more), root / "cache")


def _latency(found: Chronicle) -> list[tuple[str, str | None]]:
    return [(one.grade, one.again) for one in found.findings if one.kind == "latency_p50_ms"]


def test_what_is_slow_again_stays_a_regression(slow: Chronicle) -> None:
    machine = Machine(n05=2.0, n06=[2.4, 2.41, 2.42, 2.43, 2.44])
    found = confirmed(slow, measure=machine)
    assert _latency(found) == [("regression", "confirmed")]
    assert found.code == 1
    assert "6 runs before" in found.findings[0].text
    assert "confirmed: 1.21×" in found.findings[0].text
    assert set(machine.asked) == {"n05", "n06"}


def test_what_is_not_slow_again_is_a_note_and_stops_nothing(slow: Chronicle) -> None:
    found = confirmed(slow, measure=Machine(n05=2.0, n06=2.01))
    assert _latency(found) == [("note", "refuted")]
    assert found.code == 0


def test_the_base_is_the_newest_usual_night_whose_artifact_is_there(slow: Chronicle, tmp_path: Path) -> None:
    for run in ("n05", "n04"):
        files.remove_tree(tmp_path / "cache" / run)
    machine = Machine(n02=2.0, n06=2.4)
    assert _latency(confirmed(slow, measure=machine)) == [("regression", "confirmed")]
    assert set(machine.asked) == {"n02", "n06"}


def test_an_unusual_night_is_the_base_of_last_resort(slow: Chronicle, tmp_path: Path) -> None:
    for run in ("n05", "n04", "n02", "n01", "n00"):
        files.remove_tree(tmp_path / "cache" / run)
    machine = Machine(n03=2.3, n06=2.4)
    assert _latency(confirmed(slow, measure=machine)) == [("note", "refuted")]
    assert set(machine.asked) == {"n03", "n06"}


def test_without_any_artifact_the_suspicion_stays(slow: Chronicle, tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "cache")
    found = confirmed(slow, measure=Machine())
    assert _latency(found) == [("regression", "unconfirmed")]
    assert found.findings[0].text.endswith(
        "unconfirmed: the artifact of the run before is no longer in the cache (n05)"
    )


def test_runs_that_are_slow_in_a_row_are_not_each_others_base(nights: Nights, tmp_path: Path) -> None:
    """A night of one process is believed when the next one says the same: the base is from before both."""
    for ms in [*noisy(8, spread=0.003), 2.4, 2.42]:
        nights.write(_kept(nights, tmp_path, ms, processes=1))
    machine = Machine(n07=2.0, n09=2.4)
    assert _latency(confirmed(nights.look(), measure=machine)) == [("regression", "confirmed")]
    assert set(machine.asked) == {"n07", "n09"}


def test_only_what_got_slower_is_measured(nights: Nights, tmp_path: Path) -> None:
    for ms in [*USUAL, 1.6]:
        nights.write(_kept(nights, tmp_path, ms))
    found = nights.look()
    assert _latency(found) == [("improvement", None)]
    assert confirmed(found, measure=Machine()) is found


def test_of_several_cells_only_the_suspected_one_is_measured(nights: Nights, tmp_path: Path) -> None:
    other = cell("float16")
    for ms in [*USUAL, 2.4]:
        nights.write(_kept(nights, tmp_path, ms), kept(nights.record(2.0, other), tmp_path / "cache"))
    machine = Machine(n05=2.0, n06=2.4)
    found = confirmed(nights.look(), measure=machine)
    assert [one.cell for one in found.regressions] == [cell().id]
    assert len(machine.asked) == 10
