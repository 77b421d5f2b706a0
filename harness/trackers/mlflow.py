"""MLflow: a run of the harness is a parent run, each cell a child with parameters, metrics, tags and files."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records import Record
from harness.tables.verdict import Judged
from harness.trackers.contract import Entry, Tracked, entry, files

RUN, CELL, KEY = "harness.run", "harness.cell", "harness.key"
BATCH = 100
"""Parameters or tags that the server takes at once."""
PARENT_FILES = ("records.jsonl", "config.yaml", "environment.json", "run.json")


@dataclass
class Options:
    """See ``conf/tracker/mlflow.yaml``."""

    uri: str | None = None
    experiment: str = "zoo-harness"
    files: bool = True
    models: bool = False
    timeout_s: int = field(default=10, metadata={"min": 1, "max": 600})


def ready(options: Options) -> None:
    """Raise ``UserError`` when MLflow is not installed, or no server is named."""
    if importlib.util.find_spec("mlflow") is None:
        raise UserError("tracker=mlflow: the package mlflow is not installed; allowed: pip install '.[mlflow]' first, "
                        "or tracker=none")  # fmt: skip
    if not (options.uri or os.environ.get("MLFLOW_TRACKING_URI")):
        raise UserError("tracker.uri: no server is named; allowed: tracker.uri=http://host:5000, or that in the "
                        "variable MLFLOW_TRACKING_URI")  # fmt: skip


def track(run: Tracked, options: Options) -> str:
    """Send the cells that the server does not have with the same key; raises what MLflow raises."""
    _settings(options.timeout_s)
    from mlflow import MlflowClient

    server = _Server(MlflowClient(tracking_uri=options.uri), options)
    return server.send(run)


def _settings(timeout_s: int) -> None:
    """Give up soon when the server is away, print no link for each cell, and report nothing to MLflow's makers."""
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", str(timeout_s)),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
    ):
        os.environ.setdefault(name, value)


class _Server:
    """One experiment on one server."""

    def __init__(self, client: Any, options: Options) -> None:
        self._client, self._options = client, options
        found = client.get_experiment_by_name(options.experiment)
        self._experiment: str = found.experiment_id if found else client.create_experiment(options.experiment)

    def send(self, run: Tracked) -> str:
        """Send a run, return its address."""
        known = {(one.data.tags.get(CELL, ""), one.data.tags.get(KEY, "")): one for one in self._known(run.name)}
        parent = known.get(("", ""))
        parent_id = parent.info.run_id if parent else self._parent(run)
        for j in run.cells:
            before = known.get((j.record.cell.id, j.record.key))
            if before is None or before.info.status not in ("FINISHED", "FAILED"):
                self._cell(run, j, parent_id, before.info.run_id if before else None)
        if self._options.files:
            for name in PARENT_FILES:
                self._file(parent_id, run.folder / name)
        self._client.set_terminated(parent_id, "FINISHED")
        return f"experiment {self._options.experiment}, run {run.name} ({parent_id})"

    def _known(self, name: str) -> Iterator[Any]:
        """Yield what the server has of a run: the parent, and the cells."""
        token = None
        while True:
            page = self._client.search_runs([self._experiment], f"tags.`{RUN}` = '{name}'", page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _parent(self, run: Tracked) -> str:
        start = min((_milliseconds(j.record.started_at) for j in run.cells), default=None)
        made = self._client.create_run(self._experiment, start, {RUN: run.name}, run.name)
        return str(made.info.run_id)

    def _cell(self, run: Tracked, j: Judged, parent_id: str, run_id: str | None) -> None:
        """Send one cell, all of it before it is called finished; ``run_id``: what an attempt before has begun."""
        record = j.record
        start = _milliseconds(record.started_at)
        if run_id is None:
            tags = {RUN: run.name, CELL: record.cell.id, KEY: record.key, "mlflow.parentRunId": parent_id}
            run_id = str(self._client.create_run(self._experiment, start, tags, record.cell.id).info.run_id)
        self._log(run_id, entry(j), start)
        self._client.log_dict(run_id, asdict(record), "record.json")
        for path in self._files(run, j):
            self._file(run_id, path)
        status = "FAILED" if record.status not in ("ok", "noisy", "unsupported") else "FINISHED"
        self._client.set_terminated(run_id, status, start + int(1000 * record.seconds))

    def _log(self, run_id: str, found: Entry, moment: int) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(name, value, moment, 0) for name, value in found.metrics.items()]
        tags = [RunTag(f"harness.{name}", value) for name, value in found.tags.items()]
        parameters = [Param(name, value) for name, value in found.parameters.items()]
        self._client.log_batch(run_id, metrics=metrics)
        for first in range(0, max(len(parameters), len(tags)), BATCH):
            some = slice(first, first + BATCH)
            self._client.log_batch(run_id, params=parameters[some], tags=tags[some])

    def _files(self, run: Tracked, j: Judged) -> Iterator[Path]:
        if self._options.files:
            yield from files(run, j)
        if self._options.models and (path := _model(j.record)) is not None:
            yield path

    def _file(self, run_id: str, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), path.name)
        elif path.is_file():
            self._client.log_artifact(run_id, str(path))


def _model(record: Record) -> Path | None:
    """Return the artifact while the cache holds it."""
    return Path(record.artifact) if record.artifact and Path(record.artifact).exists() else None


def _milliseconds(moment: str) -> int:
    return int(1000 * datetime.fromisoformat(moment).timestamp())
