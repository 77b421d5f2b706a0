"""Temporary folders of a process, which another process can tell to be dead and remove.

``<root>/<session>.lock`` is locked as long as the process lives; its folders are in ``<root>/<session>/``.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from harness import files
from harness.locks import Lock


class Scratch:
    """The temporary folders of this process under ``root``; nothing is made before the first is asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder: Path | None = None
        self._lock: Lock | None = None

    def new(self) -> Path:
        """Return a new empty folder."""
        if self._folder is None:
            self.sweep()
            session = secrets.token_hex(8)
            self._lock = Lock(self._root / f"{session}.lock", remove=True)
            self._lock.acquire()
            self._folder = self._root / session
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(parents=True)
        return folder

    def owns(self, folder: Path) -> bool:
        """True when ``folder`` came from ``new``."""
        return folder.parent == self._folder

    def sweep(self) -> int:
        """Remove what dead processes left; return its bytes."""
        freed = 0
        for folder in sorted({path.with_suffix("") for path in self._root.iterdir()}):
            lock = Lock(folder.with_suffix(".lock"), remove=True)
            if folder != self._folder and lock.try_acquire():
                freed += files.tree_size(folder)
                files.remove_tree(folder)
                lock.release()
        return freed

    def close(self) -> None:
        """Delete all folders of this process."""
        if self._folder is not None and self._lock is not None:
            files.remove_tree(self._folder)
            self._lock.release()
            self._folder = None
