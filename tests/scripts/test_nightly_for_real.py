"""scripts/nightly.sh with real conversions and measurements: nights of a tiny model, and what is planted in them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.scripts.night import Night, script


@dataclass(frozen=True)
class Real:
    """Nights of a net of one convolution, with real conversions and measurements.

    It takes a microsecond, so on a machine that may be busy only several times as long is slower.
    """

    root: Path

    def night(self, model: str, *words: str) -> Night:
        own = ["model=custom", f"model.custom.path={self.root / model}", "task=digits", "task.images=450"]
        own += ["measure.min_seconds=0.1", "measure.warmup_seconds=0.05", "verdict.compare.confirm_pairs=3"]
        own += ["verdict.compare.latency=2", "verdict.compare.latency_single=2"]
        env = {"NIGHTLY_HOME": str(self.root / "home"), "PYTHON": sys.executable}
        done = script("tiny", *own, *words, cwd=self.root, **env)
        assert "Traceback" not in done.err, done.err
        return done

    def found(self) -> list[dict[str, object]]:
        """What the newest comparison found, and that its forms agree."""
        page = sorted((self.root / "home" / "tiny" / "reports").iterdir())[-1]
        findings: list[dict[str, object]] = json.loads((page / "compare.json").read_text())["findings"]
        suite = ET.parse(page / "compare.xml").find("testsuite")
        assert suite is not None
        bad = {(one["cell"], one["section"]) for one in findings if one["grade"] == "regression"}
        assert int(suite.get("failures", "")) == len(bad)
        return findings


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    """Write a net that reads digits (least squares: 95 % of them), one that is worse, and one that is slow."""
    import tf_keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.c_[digits.images.reshape(-1, 64) / 16, np.ones(len(digits.images))]
    weights = 5 * np.linalg.lstsq(pixels, np.eye(10)[digits.target], rcond=None)[0]
    root = tmp_path_factory.mktemp("nights")

    def save(name: str, weights: np.ndarray, work: int = 0) -> None:
        layers = tf_keras.layers
        image = layers.Input((8, 8, 1), name="image")
        x = layers.Rescaling(1 / 255)(image)
        for _ in range(work):  # an even kernel of one is the same image again
            x = layers.Conv2D(32, 1, use_bias=False, kernel_initializer="ones")(x)
            x = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=tf_keras.initializers.Constant(1 / 32))(x)
        x = layers.Conv2D(10, 8, activation="softmax", name="digit")(x)
        net = tf_keras.Model(image, layers.Flatten(name="kind")(x))
        net.get_layer("digit").set_weights([weights[:64].reshape(8, 8, 1, 10), weights[64]])
        net.save(root / name)

    save("net.keras", weights)
    save("worse.keras", weights + np.random.default_rng(0).normal(0, 0.25, weights.shape))
    save("slow.keras", weights, work=12)
    return Real(root)


def test_a_planted_failure_of_the_second_night_is_named(real: Real) -> None:
    """The test that is run each time: the first night converts, in the second one an export fails."""
    first = real.night("net.keras", "measure.rounds=1")
    assert first.code == 0, first.err
    second = real.night("net.keras", "measure.rounds=1", "quant.int8.deny_ops=[NO_SUCH_OP]")
    assert second.code == 1, second.err
    (bad,) = (one for one in real.found() if one["grade"] == "regression")
    assert (bad["cell"], bad["kind"]) == ("custom/int8/tflite/xnnpack/t1", "new_failure")
    assert "failed at export (deny\\_ops\\_match\\_nothing)" in second.summary
    good = (real.root / "home" / "tiny" / "last_good").read_text().strip()
    assert good in first.summary


@pytest.mark.slow
def test_equal_nights_pass_and_what_is_planted_is_named(real: Real) -> None:
    shutil.rmtree(real.root / "home", ignore_errors=True)
    assert [real.night("net.keras").code for _ in range(2)] == [0, 0]
    assert not [one for one in real.found() if one["grade"] == "regression"]
    assert real.night("worse.keras").code == 1
    assert {one["kind"] for one in real.found() if one["grade"] == "regression"} >= {"top1"}
    slow = real.night("slow.keras")
    assert slow.code == 1
    bad = [one for one in real.found() if one["kind"] == "latency_p50_ms"]
    assert {one["cell"] for one in bad} == {f"custom/{quant}/tflite/xnnpack/t1" for quant in ("none", "int8")}
    assert {one["again"] for one in bad} <= {"confirmed", "unconfirmed"}
    assert real.night("net.keras").code == 0


@pytest.mark.slow
def test_the_tiny_experiment_runs_as_it_is(tmp_path: Path) -> None:
    env = {"NIGHTLY_HOME": str(tmp_path), "PYTHON": sys.executable}
    first = script("tiny", cwd=tmp_path, **env)
    assert first.code == 0, first.err
    second = script("tiny", "quant.int8.deny_ops=[NO_SUCH_OP]", cwd=tmp_path, **env)
    assert second.code == 1, second.err
    assert "mobilenet/int8/tflite/xnnpack/t1" in second.summary
