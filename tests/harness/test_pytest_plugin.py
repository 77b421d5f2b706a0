"""The plugin as a stranger's suite meets it: found by its entry point, in a pytest of its own."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from tests.harness.report.conftest import Runs

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parents[2]
SUITE = """
def test_fine(compat):
    cell = compat("resnet50", "int8", "tflite")
    cell.require("clean")
    assert cell.values["size_bytes"] < 30e6

def test_required(compat):
    compat("efficientnet_b0", "int8", "tflite").require("clean")

def test_asserted(compat):
    assert compat("mobilenet_v2", "int16x8", "tflite", "cpu").verdict == "clean"

def test_in_short(compat):
    assert compat("efficientnet_b0", "int8_only", "tflite").clean

def test_misspelt(compat):
    assert compat("resnet5").clean
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the suite and a run, where pytest finds the plugin as it does when the wheel is installed."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    made = pytester.path / "site" / "suite_of_a_stranger-1.0.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: suite-of-a-stranger\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (made / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", f"{made.parent}{os.pathsep}{ROOT}")
    runs = Runs(pytester.path / "results")
    runs.write(runs.sweep())
    pytester.makepyfile(SUITE)
    return pytester


def told(result: pytest.RunResult) -> str:
    return result.stdout.str()


def test_a_suite_asserts_on_cells(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("--compat-run", "results/r1")
    result.assert_outcomes(passed=1, failed=4)
    text = told(result)
    assert f"compat: {suite.path}/results/r1" in text
    assert "efficientnet_b0/int8/tflite is degraded" in text
    assert "reproduce: python -m harness repro r1 efficientnet_b0/int8/tflite/cpu/t1" in text
    assert "AssertionError: assert 'fails' == 'clean'" in text
    assert "  mobilenet_v2/int16x8/tflite/cpu/t1: load: allocate_tensors" in text
    assert "reproduce: python -m harness repro r1 mobilenet_v2/int16x8/tflite/cpu/t1" in text
    assert "where False = <efficientnet_b0/int8_only/tflite/cpu/t1 fails: audit: float_ops" in text
    assert "compat: no cell with model 'resnet5' in r1; did you mean 'resnet50'?" in text
    assert "During handling" not in text
    assert "compat.py:" not in text  # no frame of ours stands between the reader and the reason


def test_the_run_can_be_named_in_the_ini_file_relative_to_it(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\ncompat_run = results/*\n")
    (suite.path / "deeper").mkdir()
    (suite.path / "deeper" / "test_it.py").write_text(
        "def test_it(compat):\n    assert compat('resnet50', 'int8').clean\n"
    )
    os.chdir(suite.path / "deeper")
    result = suite.runpytest_subprocess("test_it.py")
    result.assert_outcomes(passed=1)


def test_the_command_line_wins_over_the_ini_file(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\ncompat_run = results/gone\n")
    result = suite.runpytest_subprocess("-k", "fine", "--compat-run=results/r1/records.jsonl")
    result.assert_outcomes(passed=1, deselected=4)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "compat: no run was named; allowed: pytest --compat-run results/RUN, or compat_run = results/RUN"),
        (["--compat-run=results/r9"], "results/r9: no such run; allowed: a run's folder, its records.jsonl, or a glob"),
    ],
)
def test_without_a_run_a_test_does_not_pass(suite: pytest.Pytester, words: list[str], line: str) -> None:
    result = suite.runpytest_subprocess("-k", "fine", *words)
    result.assert_outcomes(errors=1, deselected=4)
    assert line in told(result)
    assert "Traceback" not in told(result)


def test_a_suite_that_does_not_ask_pays_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_light="""
        import sys

        def test_nothing_was_loaded(pytestconfig):
            assert pytestconfig.pluginmanager.get_plugin("harness").__name__ == "harness.pytest_plugin"
            loaded = {name for name in sys.modules if name.startswith("harness.")}
            assert loaded == {"harness.pytest_plugin"}

        def test_records_need_no_heavy_library(compat):
            assert compat("resnet50", "int8").clean
            assert not {"pandas", "numpy", "tensorflow", "onnx", "jinja2"} & set(sys.modules)
        """
    )
    result = suite.runpytest_subprocess("test_light.py", "--compat-run=results/r1", "-W", "error")
    result.assert_outcomes(passed=2)


def test_the_option_is_in_the_help(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--compat-run=PATH*", "*compat_run (paths):*"])
