"""A real MLflow server with a database of its own, and a Python that has MLflow."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
MISSING = "MLflow with its server is missing: pip install mlflow, or name a Python that has it in MLFLOW_PYTHON"
NEEDED = "import flask, mlflow, msgspec, sqlalchemy, yaml"
START_S = 240


def _has_it(python: str) -> bool:
    return subprocess.run([python, "-c", NEEDED], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def mlflow_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python named in MLFLOW_PYTHON, this one, or that of a new environment: MLflow pins what we use newer."""
    for python in (os.environ.get("MLFLOW_PYTHON"), sys.executable):
        if python and _has_it(python):
            return python
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    command = [uv] if uv else [sys.executable, "-m", "uv"]
    folder = tmp_path_factory.mktemp("mlflow") / "venv"
    python = str(folder / "bin" / "python")
    steps = (["venv", "--quiet", "--python", sys.executable, str(folder)],
             ["pip", "install", "--quiet", "--python", python, "mlflow>=3", "msgspec", "pyyaml"])  # fmt: skip
    for words in steps:
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"{MISSING} ({' '.join(done.stderr.split())[-200:]})")
    return python


@dataclass(frozen=True)
class Server:
    """A running server; ``ask`` looks into its database, behind its back."""

    uri: str
    database: Path
    artifacts: Path
    python: str

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.database) as connection:
            return connection.execute(query, values).fetchall()

    def tell(self, query: str, *values: object) -> None:
        with sqlite3.connect(self.database) as connection:
            connection.execute(query, values)

    def send(self, folder: Path, experiment: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Send a run as the harness does at the end of a sweep, in the Python that has MLflow."""
        given = {"method": "mlflow", "uri": self.uri, "experiment": experiment, **options}
        code = (
            "import sys\nfrom pathlib import Path\nfrom types import SimpleNamespace\n"
            "from harness import tracking\nfrom harness.tables import read\n"
            f"config = SimpleNamespace(tracker={given!r}, plugins_dir=None)\n"
            f"folder = Path({str(folder)!r})\n"
            "tracking.ready(config)\n"
            "print(tracking.track(config, folder, read(folder).records, {'schemes': {'default': {}}}))\n"
        )
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        return subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True, env=env)


@pytest.fixture(scope="session")
def server(mlflow_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server on a free port, end it with the session."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Server(f"http://127.0.0.1:{port}", folder / "mlflow.db", folder / "artifacts", mlflow_python)
    words = ["server", "--backend-store-uri", f"sqlite:///{made.database}", "--artifacts-destination",
             str(made.artifacts), "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip
    env = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([mlflow_python, "-m", "mlflow", *words], stdout=log, stderr=log, cwd=folder, env=env,
                                   start_new_session=True)  # fmt: skip
    try:
        _wait(made.uri, process, folder / "log")
        yield made
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")
