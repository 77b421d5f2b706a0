"""What a worker finds: its environment, and this harness to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.runner import launch

ROOT = Path(launch.__file__).parents[2]


def test_only_what_is_listed_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    made = launch.environment(sys.executable, tmp_path, {})
    assert "A_SECRET" not in made
    assert made["LANG"] == "C.UTF-8"
    assert (made["TF_USE_LEGACY_KERAS"], made["PYTHONHASHSEED"]) == ("1", "0")
    assert made["TMPDIR"] == str(tmp_path / "tmp")


def test_the_caller_has_the_last_word(tmp_path: Path) -> None:
    made = launch.environment(sys.executable, tmp_path, {"GIVEN": "1", "PYTHONHASHSEED": "7"})
    assert (made["GIVEN"], made["PYTHONHASHSEED"]) == ("1", "7")


def test_a_checkout_is_imported_from_where_it_is(tmp_path: Path) -> None:
    assert launch.environment(sys.executable, tmp_path, {})["PYTHONPATH"] == str(ROOT)


def test_an_installed_harness_brings_nothing_but_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    for name in ("harness", "zoo"):
        (site / name).symlink_to(ROOT / name)
    (site / "of_another_version.py").write_text("")
    monkeypatch.setattr(launch, "HERE", site)
    assert "PYTHONPATH" not in launch.environment(sys.executable, tmp_path, {})
    for _ in range(2):
        made = launch.environment("/toolchain/python", tmp_path, {})
    program = "import harness.runner.worker, zoo, importlib.util as u; print(u.find_spec('of_another_version'))"
    said = subprocess.run([sys.executable, "-c", program], env=made, capture_output=True, text=True, check=True)
    assert said.stdout == "None\n"
