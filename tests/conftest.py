"""Settings for every test: Keras 2, quiet TensorFlow, and a cache of the test's own."""

from __future__ import annotations

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from pathlib import Path

import pytest
from hypothesis import settings

# a shared machine is slow now and then, and CI shall cry for a change of the code, not for a new random example
settings.register_profile("harness", deadline=None, derandomize=True)
settings.load_profile("harness")


@pytest.fixture(autouse=True, scope="session")
def _own_locks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is set up once for many tests waits for no run that measures on this machine either."""
    os.environ["HARNESS_LOCK_DIR"] = str(tmp_path_factory.mktemp("locks"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache, or waits for a run that measures on this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest goes first, so that two workers end together."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")
