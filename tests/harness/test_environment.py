"""The machine's facts and the fingerprint made of them."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import codec, environment
from harness.environment import Environment, current, fingerprint
from harness.errors import UserError

HERE = current()


def test_this_machine_is_seen() -> None:
    assert HERE.cores == len(os.sched_getaffinity(0))
    assert HERE.memory_bytes > 2**28
    assert HERE.cpu
    assert HERE.packages["numpy"].count(".") >= 1
    assert HERE.cpu_flags == tuple(sorted(HERE.cpu_flags))
    assert codec.decode(codec.encode(HERE), Environment) == HERE


@pytest.mark.parametrize(
    "change",
    [
        {"machine": "riscv64"},
        {"cpu": "another"},
        {"cpu_flags": ()},
        {"cores": 99},
        {"governor": "powersave-like"},
        {"python": "3.99.1"},
        {"packages": {**HERE.packages, "onnxruntime": "0"}},
        {"packages": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_measurements_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(replace(HERE, **change)) != fingerprint(HERE)


def test_what_does_not_change_measurements_does_not() -> None:
    same = replace(
        HERE,
        load_average=99.0,
        git_revision="other",
        python=".".join([*HERE.python.split(".")[:2], "99"]),
        packages={**HERE.packages, "pandas": "0"},
    )
    assert fingerprint(same) == fingerprint(HERE)
    assert len(fingerprint(HERE)) == 16


def test_packages_that_are_not_there_are_left_out() -> None:
    assert list(environment.packages(["numpy", "no-such-distribution"])) == ["numpy"]


def test_another_python_is_asked(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\necho '{json.dumps(['3.99.0', {'numpy': '9.9'}])}'\n")
    fake.chmod(0o755)
    seen = current(str(fake))
    assert (seen.python, seen.packages) == ("3.99.0", {"numpy": "9.9"})
    link = tmp_path / "real"
    link.symlink_to(sys.executable)
    assert current(str(link)).python == HERE.python


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense"])
def test_a_python_that_does_not_work_is_a_user_error(tmp_path: Path, script: str) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    with pytest.raises(UserError, match="does not work"):
        current(str(fake))
    with pytest.raises(UserError, match="does not work"):
        current(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "cpu"), [("model name\t: AMD EPYC\nflags\t\t: fpu\n", "AMD EPYC"), ("CPU part\t: 0xd40\n", "0xd40")]
)
def test_the_processor_in_both_worlds(monkeypatch: pytest.MonkeyPatch, text: str, cpu: str) -> None:
    monkeypatch.setattr(environment, "_text", lambda path: text)
    assert environment._cpu() == cpu


def test_memory_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_CGROUP", tmp_path)
    whole = environment.memory_available()
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert environment.memory_available() == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert environment.memory_available() > 150_000
    assert whole > 150_000


def test_an_installed_harness_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "harness" / "environment.py"))
    assert environment._git_revision() is None
