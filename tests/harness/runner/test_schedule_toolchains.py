"""Whole runs in several toolchains: what each does in its own Python, and what one that is missing costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import toolchains
from harness.runner.pool import Pool
from tests.harness.runner.whole import journal, run, stand_ins


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return stand_ins(tmp_path, monkeypatch)


def install(root: Path, name: str, version: str) -> Path:
    """Put an environment into a cache that has this one's packages, and says that its TensorFlow is another."""
    folder = toolchains.folder(name, root=root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "ours.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    about = site / f"tensorflow-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {version}\n")
    (folder / "made.json").write_text("{}")
    return folder


def test_a_toolchain_that_is_not_installed_costs_its_own_cells_alone(tmp_path: Path, stages: Path) -> None:
    done = run(tmp_path, "toolchain=[default,tf215]")
    found = {(r.cell.toolchain, r.cell.runtime): r for r in done.records}
    assert {key: r.status for key, r in found.items()} == {
        ("default", "cpu"): "ok",
        ("default", "xnnpack"): "ok",
        ("tf215", "cpu"): "unsupported",
        ("tf215", "xnnpack"): "unsupported",
    }
    failure = found["tf215", "cpu"].failure
    assert failure is not None
    assert (failure.stage, failure.reason) == ("export", "toolchain_missing")
    assert "`harness toolchain sync tf215`" in failure.message
    assert "`harness toolchain sync tf215`" in (tmp_path / "progress").read_text()
    assert not [job for job in journal(stages) if job.endswith("tf215")]
    assert not (done.folder / "environment-tf215.json").exists()


def test_a_toolchain_converts_the_same_source_with_its_own_python(tmp_path: Path, stages: Path) -> None:
    folder = install(tmp_path / "c", "tf215", "2.15.1")
    done = run(tmp_path, "toolchain=[default,tf215]")
    assert {r.status for r in done.records} == {"ok"}
    ran = journal(stages)
    assert ran["source/mobilenet_v2"] == ran["quantize/mobilenet_v2/none"] == 1
    assert ran["export/mobilenet_v2/none/tflite"] == ran["export/mobilenet_v2/none/tflite/tf215"] == 1
    for record in done.records:
        older = record.cell.toolchain == "tf215"
        assert ("toolchain=tf215" in record.reproduce) == older
        assert {"export", "evaluate"} <= set(record.logs)
        for kind, log in record.logs.items():
            where = (done.folder / log).read_text()
            assert (str(folder) in where) == (older and kind in ("export", "evaluate")), kind
    latency = (done.folder / "logs" / "latency__mobilenet_v2__none__tflite__cpu__t1__tf215.log").read_text()
    assert str(folder) in latency
    assert json.loads((done.folder / "environment-tf215.json").read_text())["packages"]["tensorflow"] == "2.15.1"
    assert len({(r.cell.toolchain, r.fingerprint) for r in done.records}) == 2
    assert len({r.fingerprint for r in done.records}) == 2


def test_an_exporter_with_a_toolchain_of_its_own_waits_for_it(tmp_path: Path, stages: Path) -> None:
    more = ["export=[tflite,tfjs]", "runtime=[cpu,tfjs_wasm]"]
    done = run(tmp_path, *more)
    found = {r.cell.export: r for r in done.records}
    assert {name: r.status for name, r in found.items()} == {"tflite": "ok", "tfjs": "unsupported"}
    failure = found["tfjs"].failure
    assert failure is not None
    assert (failure.stage, failure.reason) == ("export", "toolchain_missing")
    assert "`harness toolchain sync tfjs`" in failure.message
    folder = install(tmp_path / "c", "tfjs", "2.19.0")
    again = {r.cell.export: r for r in run(tmp_path, *more).records}
    assert {r.status for r in again.values()} == {"ok"}
    made, ran = again["tfjs"].logs["export"], again["tfjs"].logs["evaluate"]
    newest = tmp_path / "results" / again["tfjs"].run
    assert str(folder) in (newest / made).read_text()
    assert str(folder) not in (newest / ran).read_text()
    assert again["tfjs"].cell.toolchain == "default"


def test_no_more_workers_wait_than_there_are_slots(
    tmp_path: Path, stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "c", "tf215", "2.15.1")
    usual, seen = Pool.new_worker, []

    def counted(pool: Pool, *, persistent: bool, **options: Any) -> Any:
        if persistent:
            seen.append(len(pool._idle) + len(pool._running))
        return usual(pool, persistent=persistent, **options)

    monkeypatch.setattr(Pool, "new_worker", counted)
    more = [f"+export.{name}={{method: fault, kind: slow}}" for name in "abc"]
    run(tmp_path, "toolchain=[default,tf215]", *more)
    assert len(seen) >= 3, "workers of both toolchains"
    assert max(seen) < 2, "limits.jobs is 2"


def test_another_version_in_a_toolchain_redoes_what_is_done_there(tmp_path: Path, stages: Path) -> None:
    folder = install(tmp_path / "c", "tf215", "2.15.1")
    run(tmp_path, "toolchain=[default,tf215]")
    before = journal(stages)
    (about,) = folder.glob("lib/python*/site-packages/tensorflow-*")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.15.2\n")
    run(tmp_path, "toolchain=[default,tf215]")
    again = journal(stages) - before
    assert {job for job in again if not job.startswith("latency")} == {
        "export/mobilenet_v2/none/tflite/tf215",
        "evaluate/mobilenet_v2/none/tflite/cpu/tf215",
        "evaluate/mobilenet_v2/none/tflite/xnnpack/tf215",
    }


def test_a_toolchain_whose_python_does_not_start_is_unsupported(tmp_path: Path, stages: Path) -> None:
    folder = install(tmp_path / "c", "tf215", "2.15.1")
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_text("#!/bin/false\n")
    (folder / "bin" / "python").chmod(0o755)
    done = run(tmp_path, "toolchain=tf215")
    assert {r.status for r in done.records} == {"unsupported"}
    assert "`harness toolchain sync tf215` makes it anew" in str(done.records[0].failure)
