"""What doctor finds, and that it finds it without touching anything heavy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness import doctor, environment, locks
from harness.doctor import Line, report


def found(name: str, **options: Path) -> Line:
    return next(line for line in report(**options) if line.name == name)


@pytest.fixture(autouse=True)
def _own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "SYSTEM_TEMP", tmp_path)


def test_everything_is_looked_at(tmp_path: Path) -> None:
    names = [line.name for line in report(tmp_path / "cache", tmp_path / "results")]
    assert len(names) == len(set(names))
    assert {"python", "processor", "cpu flags", "governor", "load", "memory", "cache folder", "results folder",
            "tensorflow", "tensorflow-datasets", "dot", "node", "toolchain tf215"} <= set(names)  # fmt: skip
    assert not (tmp_path / "cache").exists()


def test_what_is_missing_comes_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = replace(environment.current(), packages={}, governor="powersave", load_average=99.0)
    monkeypatch.setattr(environment, "current", lambda: now)
    monkeypatch.setattr(environment, "memory_available", lambda: 2**30)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    lines = {line.name: line for line in report(tmp_path, tmp_path)}
    assert all(lines[name].hint for name in ("tensorflow", "tensorflow-datasets", "dot", "node", "governor"))
    bad = {name for name, line in lines.items() if not line.ok}
    assert {"tensorflow", "load", "memory"} <= bad
    assert not {"tensorflow-datasets", "dot", "node", "governor"} & bad


@pytest.mark.parametrize(("flags", "overflows"), [(("avx2", "fma"), True), (("avx2", "avx_vnni"), False)])
def test_a_processor_whose_int8_sums_overflow_is_told(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], overflows: bool
) -> None:
    now = replace(environment.current(), cpu_flags=flags)
    monkeypatch.setattr(environment, "current", lambda: now)
    line = found("int8 sums")
    assert ("x64quantprecision" in line.hint) == overflows
    assert line.ok  # what runs here is right all the same


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = found("results folder", results_dir=tmp_path / "file" / "results")
    assert not line.ok
    assert "results_dir=" in line.hint
    assert found("cache folder", cache_dir=tmp_path / "new" / "cache").value.startswith(str(tmp_path))


def test_a_disk_with_little_room_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "NEEDED_DISK", 2**80)
    line = found("cache folder", cache_dir=tmp_path)
    assert not line.ok
    assert "cache_dir=" in line.hint


def test_a_held_lock_is_told() -> None:
    with locks.measuring():
        assert "held by process" in found("measuring lock").value
    assert found("measuring lock").value == "free"


def test_no_ml_library_is_imported() -> None:
    program = (
        "import sys\nfrom harness import doctor\ndoctor.report()\n"
        "print(sorted({'numpy', 'tensorflow', 'onnx', 'onnxruntime', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    root = str(Path(doctor.__file__).parents[1])
    said = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
