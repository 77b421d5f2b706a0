"""Runs on a real MLflow server: what is in its database afterwards, and what happens when it is away."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.trackers import mlflow
from tests.harness.compare.conftest import Runs, cell
from tests.harness.trackers.conftest import Server


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "results")


def night(runs: Runs, name: str) -> Path:
    """Write a run: one cell that went well, one that failed."""
    good = runs.record(name, per_channel=True, form="integers", odd=float("nan"))
    good = replace(good, options={"quant": {"method": "ptq", "scheme": "int8"}, "seed": 3, "task": {"weights": None}})
    failed = runs.stopped(runs.record(name, cell("int16x8")))
    folder = runs.write(name, [good, failed])
    (folder / "config.yaml").write_text("seed: 3\n")
    return folder


def children(server: Server, run: str) -> dict[str, str]:
    """Return cell → run id."""
    query = (
        "select c.value, c.run_uuid from tags c join tags r on c.run_uuid = r.run_uuid "
        "where c.key = 'harness.cell' and r.key = 'harness.run' and r.value = ?"
    )
    return dict(server.ask(query, run))


def stored(server: Server, table: str, run_id: str) -> dict[str, object]:
    return dict(server.ask(f"select key, value from {table} where run_uuid = ?", run_id))


@pytest.mark.slow
def test_a_run_is_a_parent_with_a_child_for_each_cell(server: Server, runs: Runs) -> None:
    done = server.send(night(runs, "first"), "whole")
    assert done.stdout.startswith("tracked: experiment whole, run first (")
    assert done.stdout.count("\n") == 1  # nothing of MLflow's stands between the reader and the result
    found = children(server, "first")
    assert set(found) == {"mobilenet_v2/int8/tflite/xnnpack/t1", "mobilenet_v2/int16x8/tflite/xnnpack/t1"}
    ids = {row[0]: row[1] for row in server.ask("select run_uuid, status from runs")}
    good, failed = (found[f"mobilenet_v2/{quant}/tflite/xnnpack/t1"] for quant in ("int8", "int16x8"))
    assert (ids[good], ids[failed]) == ("FINISHED", "FAILED")
    parent = str(stored(server, "tags", good)["mlflow.parentRunId"])
    assert stored(server, "tags", parent)["harness.run"] == "first"
    assert ids[parent] == "FINISHED"


@pytest.mark.slow
def test_a_cell_has_its_parameters_metrics_tags_and_files(server: Server, runs: Runs) -> None:
    folder = night(runs, "second")
    server.send(folder, "parts")
    run_id = children(server, "second")["mobilenet_v2/int8/tflite/xnnpack/t1"]
    parameters, tags = stored(server, "params", run_id), stored(server, "tags", run_id)
    assert parameters | {"model": "mobilenet_v2", "quant": "int8", "quant.scheme": "int8", "seed": "3"} == parameters
    metrics = stored(server, "metrics", run_id)
    assert metrics["top1"] == pytest.approx(0.98)
    assert metrics["latency_p50_ms"] == pytest.approx(2.02)
    assert not {"odd", "per_channel", "form"} & set(metrics)
    assert tags["harness.value.per_channel"] == "true"
    assert (tags["harness.verdict"], tags["harness.status"]) == ("clean", "ok")
    assert tags["harness.reproduce"] == "python -m harness"
    files = {path.name: path for path in server.artifacts.rglob("*") if run_id in path.parts}
    assert {"record.json", "mobilenet_v2__int8__tflite__xnnpack__t1.json"} <= set(files)
    assert json.loads(files["record.json"].read_text())["cell"]["quant"] == "int8"
    failed = stored(server, "tags", children(server, "second")["mobilenet_v2/int16x8/tflite/xnnpack/t1"])
    assert (failed["harness.verdict"], failed["harness.reason"]) == ("fails", "converter_error")


@pytest.mark.slow
def test_sent_again_nothing_is_doubled_and_what_was_torn_is_finished(server: Server, runs: Runs) -> None:
    folder = night(runs, "third")
    server.send(folder, "again", files=False)
    before = children(server, "third")
    torn = before["mobilenet_v2/int8/tflite/xnnpack/t1"]
    server.tell("update runs set status = 'RUNNING' where run_uuid = ?", torn)
    server.tell("delete from metrics where run_uuid = ?", torn)
    count = server.ask("select count(*) from runs")
    server.send(folder, "again", files=False)
    assert children(server, "third") == before
    assert server.ask("select count(*) from runs") == count
    assert server.ask("select status from runs where run_uuid = ?", torn) == [("FINISHED",)]
    assert stored(server, "metrics", torn)["top1"] == pytest.approx(0.98)


@pytest.mark.slow
def test_models_are_sent_when_asked_for(server: Server, runs: Runs) -> None:
    artifact = runs.root / "model.tflite"
    artifact.parent.mkdir(parents=True)
    artifact.write_bytes(b"TFL3")
    folder = runs.write("fourth", [replace(runs.record("fourth"), artifact=str(artifact))])
    server.send(folder, "models", files=False, models=True)
    (run_id,) = children(server, "fourth").values()
    assert [path.name for path in server.artifacts.rglob("*.tflite") if run_id in path.parts] == ["model.tflite"]


@pytest.mark.slow
def test_a_server_that_is_away_is_one_warning_soon(mlflow_python: str, runs: Runs) -> None:
    away = Server("http://127.0.0.1:9", runs.root / "none.db", runs.root / "none", mlflow_python)
    start = time.monotonic()
    done = away.send(night(runs, "fifth"), "away", timeout_s=1)
    assert time.monotonic() - start < 60
    (line,) = done.stdout.splitlines()
    assert line.startswith("warning: tracker mlflow failed (MlflowException: ")
    assert "fifth are safe, the same command with run_id=fifth sends them again" in line


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"package mlflow is not installed; allowed: pip install '\.\[mlflow\]'"):
        mlflow.ready(mlflow.Options(uri="http://127.0.0.1:5000"))


def test_a_server_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match=r"tracker\.uri: no server is named"):
        mlflow.ready(mlflow.Options())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    mlflow.ready(mlflow.Options())
