"""Locks between processes, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import locks
from harness.errors import UserError
from harness.locks import Lock, machine_lock, measuring

HOLD = """
import sys
from pathlib import Path
from harness.locks import Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire(lambda pid: print("waiting for", pid, flush=True))
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(locks.__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_only_one_holds_it(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.try_acquire()
    assert second.holder == os.getpid()
    assert not first.try_acquire()
    assert not second.try_acquire()
    first.release()
    first.release()
    assert first.holder is None
    with second:
        assert not first.try_acquire()
    assert [first.held, second.held] == [False, False]


def test_it_vanishes_with_its_holder(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    with holder(tmp_path / "lock") as process:
        assert said(process) == "held"
        assert not lock.try_acquire()
        assert lock.holder == process.pid
        process.kill()
    assert lock.try_acquire()
    assert lock.holder == os.getpid()
    lock.release()


def test_who_waits_is_told_for_whom(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.try_acquire()
    with holder(tmp_path / "lock") as process:
        assert said(process) == f"waiting for {os.getpid()}"
        lock.release()
        assert said(process) == "held"
        process.kill()


@pytest.mark.parametrize("remove", [True, False])
def test_many_in_turn(tmp_path: Path, remove: bool) -> None:
    """No two are ever inside together, also when each removes the file as it leaves."""
    inside: list[int] = []
    entered: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            lock = Lock(tmp_path / "lock", remove=remove)
            lock.acquire()
            inside.append(number)
            entered.append(len(inside))
            inside.remove(number)
            lock.release()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered == [1] * 80
    assert (tmp_path / "lock").exists() is not remove


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="lock"):
        Lock(tmp_path / "lock").try_acquire()
    assert (tmp_path / "target").read_text() == "precious"


def test_the_machine_lock_is_for_all_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "SYSTEM_TEMP", tmp_path)
    before = os.umask(0o077)
    try:
        with measuring():
            lock = machine_lock()
            assert lock.path.parent == tmp_path
            assert lock.path.stat().st_mode & 0o777 == 0o666
            assert not lock.try_acquire()
    finally:
        os.umask(before)
    assert lock.try_acquire()
    lock.release()


def test_shared_holders_keep_out_one_that_wants_it_alone(tmp_path: Path) -> None:
    first, second, alone = (Lock(tmp_path / "lock") for _ in range(3))
    assert first.try_acquire(shared=True)
    assert second.try_acquire(shared=True)
    assert not alone.try_acquire()
    first.release()
    assert not alone.try_acquire()
    second.release()
    assert alone.try_acquire()
    assert not first.try_acquire(shared=True)
    alone.release()


def test_a_folder_for_locks_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="HARNESS_LOCK_DIR: there is no folder"):
        machine_lock()
