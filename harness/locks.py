"""Locks between processes (flock): they vanish with their holder, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import UserError

SYSTEM_TEMP = Path("/tmp")
"""The same for all users, which ``$TMPDIR`` is not."""
MEASURE_LOCK = "zoo-harness-measure.lock"


class Lock:
    """One lock on one file, not reentrant; the file holds the pid of the holder.

    With ``remove`` the file goes away at release, for locks of which there are many. ``mode`` is set on the
    file whatever the umask says, so that several users can share it.
    """

    def __init__(self, path: Path, *, remove: bool = False, mode: int = 0o644) -> None:
        self.path = path
        self._remove = remove
        self._mode = mode
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._descriptor is not None

    @property
    def holder(self) -> int | None:
        """Process id written down by the holder; None when nobody holds it or it is not known yet."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free; a ``shared`` one goes beside other shared ones.

        Raises:
            OSError: the file cannot be created or opened.
        """
        return self._take((fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def acquire(self, on_wait: Callable[[int | None], None] | None = None, *, shared: bool = False) -> None:
        """Take the lock; when it is not free say so once, with a holder's pid, and block until it is."""
        if self.try_acquire(shared=shared):
            return
        if on_wait is not None:
            on_wait(self.holder)
        self._take(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        with contextlib.suppress(OSError):
            if self._remove:
                self.path.unlink(missing_ok=True)
            else:
                os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def _take(self, operation: int) -> bool:
        if self._descriptor is not None:
            return False
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, operation)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            if self._is_current(descriptor):
                break
            os.close(descriptor)  # its holder removed the file while we waited: the lock of that name is another
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk must not take the lock away: only the name of its holder
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def _open(self) -> int:
        """Open, else create: O_CREAT on another user's file in a sticky folder is refused by the kernel."""
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self.path, flags)
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, self._mode)
                os.fchmod(descriptor, self._mode)
                return descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> Self:
        if not self.held:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def named(pid: int | None) -> str:
    """Return words for a holder; sharers do not all leave their number."""
    return f"process {pid}" if pid else "another harness"


def machine_lock() -> Lock:
    """The lock that whoever measures on this machine holds alone, and whoever converts shares; one for all users.

    Raises:
        UserError: ``$HARNESS_LOCK_DIR`` is no folder.
    """
    own = os.environ.get("HARNESS_LOCK_DIR")  # for tests, and for machines whose /tmp is not shared
    if own and not Path(own).is_dir():
        raise UserError(f"HARNESS_LOCK_DIR: there is no folder {own}; allowed: one that exists, or nothing")
    folder = Path(own) if own else SYSTEM_TEMP if SYSTEM_TEMP.is_dir() else Path(tempfile.gettempdir())
    return Lock(folder / MEASURE_LOCK, mode=0o666)


@contextlib.contextmanager
def measuring(on_wait: Callable[[int | None], None] | None = None) -> Iterator[None]:
    """Hold the machine's measuring lock for the length of a block."""
    lock = machine_lock()
    lock.acquire(on_wait)
    try:
        yield
    finally:
        lock.release()
