"""The wheel: configuration travels in it, and an installed harness works from any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from harness import store

ROOT = Path(__file__).resolve().parents[1]
FAKES = ROOT / "tests" / "harness" / "runner" / "fakes"
NO_BACKEND = ("build-system.requires", "No matching distribution", "Could not find a version")
"""What uv and pip say when they cannot get hatchling."""

pytestmark = pytest.mark.slow


def do(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run a command that must work; return its stdout."""
    done = subprocess.run(command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _uv() -> str | None:
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what there is: uv, else pip."""
    out = tmp_path_factory.mktemp("dist")
    uv = _uv()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(ROOT)]
    command = [uv, "build", "--quiet", "--wheel", "--out-dir", str(out), str(ROOT)] if uv else pip
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    if any(words in done.stderr for words in NO_BACKEND):
        pytest.skip(f"hatchling, which builds the wheel, cannot be had here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, which finds all libraries where this one has them; its ``bin``."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    do(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    site = next(folder.glob("lib/python*/site-packages"))
    python, uv = folder / "bin" / "python", _uv()
    installer = [uv, "pip", "install", "--python"] if uv else [sys.executable, "-m", "pip", "--python"]
    do(*installer, python, *([] if uv else ["install"]), "--quiet", "--no-deps", "--no-index", wheel, cwd=ROOT)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = do(python, "-c", "import harness, zoo; print(harness.__file__, zoo.__file__)", cwd=site)
    assert all(path.startswith(str(site)) for path in where.split()), where
    return folder / "bin"


def test_every_file_of_conf_and_every_template_travels(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        scripts = next(name for name in inside if name.endswith("entry_points.txt"))
        points = archive.read(scripts).decode()
    assert "harness = harness.cli:entry" in points
    assert "[pytest11]\nharness = harness.pytest_plugin" in points
    conf = {f"harness/_conf/{path.relative_to(ROOT / 'conf')}" for path in (ROOT / "conf").rglob("*.yaml")}
    code = {str(path.relative_to(ROOT)) for top in ("harness", "zoo") for path in (ROOT / top).rglob("*.py")}
    templates = {str(p.relative_to(ROOT)) for p in (ROOT / "harness" / "report" / "templates").iterdir() if p.is_file()}
    assert len(conf) > 40
    assert templates
    assert conf | code | templates | {"harness/report/old_table.yaml"} <= inside
    assert not [name for name in inside if name.endswith(".pyc") or name.startswith(("tests/", "results/", "conf/"))]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--help"], "usage: python -m harness"),
        (["list"], "efficientnet_v2_b0"),
        (["list", "quant"], "set of dynamic, float16"),
        (["--cfg", "job", "model=resnet50"], "architecture: ResNet50"),
    ],
)
def test_an_installed_harness_answers_from_any_folder(
    installed: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    cwd = tmp_path / "elsewhere"
    cwd.mkdir()
    assert told in do(installed / "harness", *words, cwd=cwd)
    assert told in do(installed / "python", "-m", "harness", *words, cwd=cwd)
    assert not list(cwd.iterdir())


def test_an_installed_harness_runs_its_workers(installed: Path, tmp_path: Path) -> None:
    """With stand-in stages: what is installed is enough for the planner, the workers and the report."""
    shutil.copytree(FAKES / "stages", tmp_path / "stages")
    words = ["quant=none", "export=tflite", "runtime=[cpu,xnnpack]", "task=photos", "measure=quick"]
    out = do(
        installed / "harness", *words, "cache_dir=cache", cwd=tmp_path, HARNESS_STAGE_PATH=str(tmp_path / "stages")
    )
    folder = tmp_path / Path(out.splitlines()[-1].removeprefix("run: "))
    assert [record.status for record in store.read(folder)] == ["ok", "ok"]
