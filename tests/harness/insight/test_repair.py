"""The smallest set of layers in float: the search itself, and on a net with one layer that one scale cannot bear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.insight import repair
from harness.insight.repair import smallest
from harness.quantizers import ptq
from harness.quantizers.contract import Source

LAYERS = [f"layer{number}" for number in range(20)]


@given(st.sets(st.sampled_from(LAYERS), max_size=4), st.permutations(LAYERS))
def test_with_enough_trials_exactly_the_guilty_are_found(guilty: set[str], ranked: list[str]) -> None:
    found = smallest(ranked, lambda layers: guilty <= set(layers), most=100)
    assert found is not None
    assert set(found) == guilty


@given(st.sets(st.integers(0, 199), min_size=1, max_size=3))
def test_a_few_guilty_among_many_are_found_with_few_trials(guilty: set[int]) -> None:
    """Wherever in the ranking they stand: in the middle of it when one channel hides what the others lose."""
    asked = 0

    def enough(layers: tuple[str, ...]) -> bool:
        nonlocal asked
        asked += 1
        return {str(number) for number in guilty} <= set(layers)

    found = smallest([str(number) for number in range(200)], enough, most=1000)
    assert sorted(map(int, found or ())) == sorted(guilty)
    assert asked <= 10 + 9 * len(guilty)


@given(st.sets(st.sampled_from(LAYERS), max_size=4), st.permutations(LAYERS), st.integers(2, 12))
def test_trials_are_counted_and_what_is_found_is_enough(guilty: set[str], ranked: list[str], most: int) -> None:
    asked: list[tuple[str, ...]] = []

    def enough(layers: tuple[str, ...]) -> bool:
        asked.append(layers)
        return guilty <= set(layers)

    found = smallest(ranked, enough, most)
    assert len(asked) <= most
    assert found is None or (guilty <= set(found) and found in asked)


def test_what_no_set_mends_is_given_up() -> None:
    assert smallest(LAYERS, lambda layers: False, most=50) is None


@pytest.fixture
def source(exported: dict[str, Path], images: Any, tmp_path: Path) -> Source:
    """The net as the source stage leaves it, without labels."""
    root = exported["tflite none"].parents[2]
    more = np.random.default_rng(7).integers(0, 256, (56, 16, 16, 3)).astype(np.uint8)
    np.save(tmp_path / "calibration_images.npy", np.concatenate([images, more]))
    (tmp_path / "saved_model").symlink_to(root / "saved_model")
    info = {
        "input": {"name": "image", "shape": [1, 16, 16, 3]},
        "outputs": [{"name": "predictions", "shape": [1, 4]}],
        "classes": None,
        "preprocessing": "tf",
        "primary": "predictions",
    }
    (tmp_path / "source.json").write_text(json.dumps(info))
    return Source(tmp_path, tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of the converter's own debugger, about its interpreter
def test_the_guilty_layer_is_left_in_float_and_the_rest_is_int8(source: Source, tmp_path: Path) -> None:
    options = ptq.Options("int8", per_channel=False, deny="auto", deny_bounds={"sqnr_db": 75.0, "cosine": 0.99})
    recipe = ptq.quantize(source, options, tmp_path)
    trials = recipe["notes"]["trials"]
    assert trials[0]["layers"] == ()
    assert recipe["facts"]["deny_trials"] == len(trials) <= 32
    assert recipe["facts"]["deny_reached"]
    assert 1 <= len(recipe["deny_layers"]) <= 3
    assert any("broken" in name or "after" in name for name in recipe["deny_layers"])
    best = next(one for one in trials if list(one["layers"]) == recipe["deny_layers"])
    assert best["enough"]
    assert best["figures"]["sqnr_db"] >= 75 > trials[0]["figures"]["sqnr_db"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_is_reached_where_too_little_would_be_int8(source: Source, tmp_path: Path) -> None:
    bounds = {"sqnr_db": 75.0, "int8_mac_share": 0.9999}
    options = ptq.Options("int8", per_channel=False, deny="auto", deny_bounds=bounds)
    recipe = ptq.quantize(source, options, tmp_path)
    assert recipe["facts"]["denied_layers"] == 0
    assert not recipe["facts"]["deny_reached"]
    enough = [one["figures"]["int8_mac_share"] for one in recipe["notes"]["trials"] if one["enough"]]
    assert enough  # what would be good enough is float in part
    assert max(enough) < 0.9999


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_trial_calibrates_on_no_image_that_it_is_judged_on(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    converted = repair._converted

    def noted(model: Any, root: Path) -> Path:
        seen.append(model.recipe)
        return converted(model, root)

    monkeypatch.setattr(repair, "_converted", noted)
    options = ptq.Options("int8", deny="auto", deny_bounds={"cosine": 0.5}, deny_layers=["predictions"])
    recipe = ptq.quantize(source, options, tmp_path)
    assert {one["calibration_images"] for one in seen if one["scheme"] == "int8"} == {48}
    assert recipe["calibration_images"] == 64
    assert seen[-1]["deny_layers"] == recipe["deny_layers"] == ["predictions"]  # what is judged is what is delivered


def test_nothing_is_denied_where_nothing_is_lost(source: Source, tmp_path: Path) -> None:
    options = ptq.Options("int8", deny="auto", deny_bounds={"cosine": 0.5})
    recipe = ptq.quantize(source, options, tmp_path)
    assert recipe["deny_layers"] == []
    assert recipe["facts"] == {"denied_layers": 0, "deny_trials": 1, "deny_reached": True}


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="beauty is not known; allowed: cosine, sqnr_db, top1_drop, int8_mac_share"):
        ptq.refuses(ptq.Options("int8", deny_bounds={"beauty": 1.0}), "tflite")
    assert "int8" in (ptq.refuses(ptq.Options("dynamic", deny="auto"), "tflite") or "")
