"""The rules for a night on simulated nights: few false alarms, and steps found soon. ``alarms.md`` has all figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.compare.power import mcnemar_power
from harness.history.latency import seen
from harness.metrics.statistics import wilson
from tests.benchmarks import alarms, drops, noise
from tests.benchmarks.alarms import FULL, QUICK, Effort, Scenario, calm, gate, scenarios, stepped
from tests.benchmarks.drops import Drop
from tests.harness.compare.conftest import Runs
from tests.harness.history.conftest import LIMITS, Nights

FIGURES = (Path(__file__).parent / "alarms.md").read_text("utf-8")
FALSE, FALSE_CONFIRMED, FOUND = 4.0, 1.0, 0.95
"""What is asked for: alarms per 1,000 series-nights before and after a second measurement; +10 % found in 5 nights."""
STATED = [one for one in scenarios() if one.noise is noise.stated]


def name(one: Scenario) -> str:
    return f"{one.name}, {one.processes}"


@pytest.mark.parametrize("one", STATED, ids=name)
def test_few_nights_alarm_for_nothing(one: Scenario) -> None:
    made = calm(one, QUICK)
    assert made.nights == QUICK.series * (QUICK.nights - LIMITS.history.fewest)
    assert made.per_1000(made.alarms) <= FALSE
    assert made.per_1000(made.confirmed) <= FALSE_CONFIRMED
    assert made.night_over_night > 5 * made.alarms
    assert made.per_1000(made.drifts) <= 1


@pytest.mark.parametrize("one", STATED, ids=name)
def test_a_step_of_10_percent_is_found_within_5_nights(one: Scenario) -> None:
    made = stepped(one, QUICK, 1.1)
    assert made.alarmed >= FOUND
    assert made.confirmed >= 0.9
    assert made.nights == (2 if one.processes == 1 else 1)


@pytest.mark.parametrize("one", STATED, ids=name)
def test_what_one_comparison_lets_pass_the_nights_before_do_not(one: Scenario) -> None:
    """A night that was let pass is the next base: a step that one comparison missed is lost to all later ones."""
    made = gate(one, Effort(series=0, nights=0, steps=40))
    assert made.compare < FOUND - 0.1
    assert made.both >= FOUND
    assert made.false <= FALSE_CONFIRMED


def test_noise_that_hides_a_step_costs_finding_it_and_no_false_alarms() -> None:
    wild = Scenario("wild", lambda random, n: random.normal(0, 0.09, n), 3)
    small = Effort(series=20, nights=40, steps=20)
    made = calm(wild, small)
    assert made.per_1000(made.alarms) <= 2 * FALSE
    assert made.confirmed == 0
    assert stepped(wild, small, 1.1).alarmed < FOUND < stepped(wild, small, 1.5).alarmed


@pytest.mark.slow
@pytest.mark.parametrize("one", scenarios(), ids=name)
def test_all_noise_in_full(one: Scenario) -> None:
    made = calm(one, FULL)
    assert made.per_1000(made.confirmed) <= FALSE_CONFIRMED
    assert made.per_1000(made.alarms) <= FALSE
    if one in STATED:
        assert stepped(one, FULL, 1.1).alarmed >= FOUND


def rows(title: str) -> list[list[str]]:
    """Return the fields of the table of ``alarms.md`` whose head begins with a title."""
    table = FIGURES[FIGURES.index(f"| {title} |") :].split("\n\n")[0].splitlines()[2:]
    return [[field.strip() for field in line.strip("|").split("|")] for line in table]


def test_the_figures_that_are_told_are_those_that_are_asked_for() -> None:
    calms, steps = rows("noise | processes | false alarms"), rows("noise | processes | +5 %")
    made = {(one.name, str(one.processes)) for one in scenarios()}
    assert {(row[0], row[1]) for row in calms} == {(row[0], row[1]) for row in steps} == made
    assert f"{FULL.series} series of {FULL.nights} nights" in FIGURES
    told = {one.name for one in STATED}
    assert all(float(row[2]) <= FALSE and float(row[3]) <= FALSE_CONFIRMED for row in calms)
    column = 2 + alarms.STEPS.index(1.1)
    found = [float(one.strip("()")) for row in steps if row[0] in told for one in row[column].split()]
    assert len(found) == 4
    assert min(found) >= 100 * FOUND
    gates = rows("noise | processes | last good night alone")
    assert {(row[0], row[1]) for row in gates} == made
    assert all(float(row[3]) >= 100 * FOUND for row in gates if row[0] in told)
    assert all(float(row[4]) <= FALSE_CONFIRMED for row in gates if row[0] in told or row[1] == "3")
    assert all(float(row[4]) <= FALSE for row in gates)


def test_planted_losses_are_judged_as_they_should_be(tmp_path: Path) -> None:
    """Nine images of 450 are two points."""
    assert drops.planted(tmp_path, 9) == ["regression"]
    assert drops.planted(tmp_path, 5) == ["note"]
    assert drops.planted(tmp_path, 2) == []
    assert drops.planted(tmp_path, 0) == []


@pytest.mark.parametrize("drop", [Drop(0.02, 0), Drop(0.025, 0.005), Drop(0.01, 0.01)], ids=str)
def test_losses_are_found_as_often_as_computed(drop: Drop, tmp_path: Path) -> None:
    repeats = 150
    share = drops.found(drop, tmp_path, repeats)
    low, high = wilson(round(share * repeats), repeats, z=3)
    assert low <= mcnemar_power(drops.IMAGES, drop.lost, drop.won) <= high


def test_a_loss_of_all_cells_is_found_as_often_as_that_of_one(tmp_path: Path) -> None:
    """By itself each of ten would be named in little more than half of the cases."""
    drop, repeats = drops.DROPS[0], 60
    share = drops.found(drop, tmp_path, repeats, cells=drops.CELLS)
    low, high = wilson(round(share * repeats), repeats, z=3)
    assert drop.power(drops.CELLS) < low <= drop.power() <= high


@pytest.mark.parametrize("drop", drops.DROPS, ids=str)
def test_the_power_that_is_told_is_the_computed_one(drop: Drop) -> None:
    row = next(r for r in rows("lost") if r[:2] == [f"{100 * drop.lost:g} %", f"{100 * drop.won:g} %"])
    assert row[4:6] == [f"{drop.power():.2f}", f"{drop.power(drops.CELLS):.2f}"]
    assert [float(row[n]) for n in (3, 6)] == pytest.approx([drop.power()] * 2, abs=0.08)


def test_what_can_be_found_is_told() -> None:
    told = [float(one) for one in re.findall(r"([\d.]+) points \(", FIGURES.splitlines()[-1])]
    assert told == [round(drops.detectable(won), 1) for won in (0, 0.005, 0.01)]
    assert told == sorted(told)


def test_simulated_nights_are_judged_as_nights_on_disk(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    nights = Nights(Runs(tmp_path / "results"))
    taken = [noise.stated(random, 3) + np.log(1.12) * (night >= 14) for night in range(16)]
    for logs in taken:
        medians = (2 * np.exp(logs)).tolist()
        nights.write(nights.runs.record(nights.run, medians_ms=medians, day=nights.count + 1))
    (found,) = nights.look().seen
    simulated = alarms.standing([alarms.point(night, logs) for night, logs in enumerate(taken)], LIMITS.history)
    assert found == seen(found.series, LIMITS.history)
    assert found.standing is not None
    assert simulated is not None
    assert (found.standing.way, found.standing.row) == (simulated.way, simulated.row) == (1, simulated.row)
    assert found.standing.ratio == pytest.approx(simulated.ratio, rel=1e-5)


def test_noise_is_learnt_from_runs(tmp_path: Path) -> None:
    nights = Nights(Runs(tmp_path / "results"))
    nights.write(nights.record(2.0, processes=3, spread=0.1))
    nights.write(nights.record(2.0, processes=1))
    learnt = noise.learn([str(tmp_path / "results" / "*")])
    assert [len(found) for found in learnt.values()] == [0, 3, 0]
    assert np.std(learnt["1 to 10 ms"], ddof=1) == pytest.approx(0.1 * 1.5**0.5, rel=0.01)


def test_noise_as_measured_is_that_of_many_processes() -> None:
    models = noise.measured()
    assert list(models) == [name for _, name in noise.GROUPS]
    drawn = {name: model(np.random.default_rng(0), 4000) for name, model in models.items()}
    assert all(abs(np.median(one)) < 0.01 for one in drawn.values())
    assert drawn["10 ms and more"].std() == pytest.approx(0.022, abs=0.003)
    assert drawn["1 to 10 ms"].std() > 3 * drawn["10 ms and more"].std()
