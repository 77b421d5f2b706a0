"""Finished work by content: each entry is a folder of files with checksums, whole or not there at all.

::

    <root>/entries/<kind>/<key>/manifest.json   what it holds; its modification time is the last use
    <root>/entries/<kind>/<key>/data/…          the files a worker made
    <root>/locks/<kind>-<key>.lock              held by the process that builds that entry
    <root>/partial/<kind>/<key>/…               the state of long work that was interrupted, until it is done
    <root>/tmp/<session>/…                      being filled or deleted (see ``scratch``)
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import files, manifests
from harness.errors import StageFailed, UserError
from harness.locks import Lock
from harness.manifests import Manifest
from harness.records import JobResult
from harness.scratch import Scratch

ROOT_VARIABLE = "HARNESS_CACHE"
"""Environment variable that tells a worker the cache folder of its run."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY})


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished piece of work."""

    kind: str
    key: str
    path: Path
    """Folder with the files."""
    digest: str
    """Hash of what the files hold and of the values, but of no timing: what downstream keys are made of."""
    result: JobResult


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of the cache one kind of work takes."""

    kind: str
    entries: int
    bytes: int


class Cache:
    """The cache of one user; any number of processes may use it at once.

    Raises:
        UserError: the folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.damaged = 0
        """Entries found damaged, and removed, by this process."""
        self._known: dict[tuple[str, str], Entry] = {}
        self._locks: dict[tuple[str, str], Lock] = {}
        self._scratch = Scratch(self.root / "tmp")
        try:
            for name in ("entries", "locks", "tmp"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"the cache folder {self.root} cannot be used ({error}); move it with cache_dir="
            ) from error

    def find(self, kind: str, key: str) -> Entry | None:
        """Return the entry when it is there and whole, verified once per process; a damaged one is removed.

        Raises:
            OSError: it is there but may not be read.
        """
        known = self._known.get((kind, key))
        manifest = self._folder(kind, key) / "manifest.json"
        if known is None or not manifest.is_file():
            self._known.pop((kind, key), None)
            known = self._verified(kind, key) or self._second_look(kind, key)
        if known is not None:
            self._known[kind, key] = known
            with contextlib.suppress(OSError):  # a cache that is only readable is fine too
                os.utime(manifest)
        return known

    def temporary(self) -> Path:
        """Return a new empty folder that goes with this process: ``close`` removes it, else the next harness."""
        return self._scratch.new()

    def begin(self, kind: str, key: str) -> Path:
        """Return a fresh empty folder for a worker to fill; end with ``commit`` or ``abandon``."""
        self._folder(kind, key)
        folder = self._scratch.new() / "data"
        folder.mkdir()
        return folder

    def partial(self, kind: str, key: str) -> Path:
        """Return the folder, which need not be there, where the work on an entry keeps its state; under its lock."""
        self._folder(kind, key)
        return self.root / "partial" / kind / key

    def commit(self, kind: str, key: str, folder: Path, result: JobResult) -> Entry:
        """Put a filled folder of ``begin`` into its place; when another was faster, take its entry.

        Raises:
            StageFailed: ``disk_full``, ``cache_error``, or ``bad_output`` for anything but plain files in it.
        """
        target = self._folder(kind, key)
        try:
            manifest = manifests.write(folder.parent, kind, key, result)
            files.sync_tree(folder.parent)
            entry = self._place(folder.parent, target, manifest)
        except OSError as error:
            reason = "disk_full" if error.errno in files.FULL else "cache_error"
            raise StageFailed(f"the result cannot be kept in {self.root}: {error}", reason) from error
        else:
            files.remove_tree(self.partial(kind, key))
            return entry
        finally:
            self.abandon(folder)

    def abandon(self, folder: Path) -> None:
        """Delete a folder of ``begin``."""
        if not self._scratch.owns(folder.parent):
            raise ValueError(f"{folder} is not a folder that begin() gave")
        files.remove_tree(folder.parent)

    def lock(self, kind: str, key: str) -> Lock | None:
        """Return the lock of an entry that is to be built, taken; None when another process builds it."""
        lock = self._lock(kind, key)
        if not lock.try_acquire():
            return None
        self._locks[kind, key] = lock
        return lock

    def usage(self) -> list[Usage]:
        """Return what each kind takes, largest first."""
        found: dict[str, list[int]] = {}
        for folder in self._entries():
            found.setdefault(folder.parent.name, []).append(files.tree_size(folder))
        rows = [Usage(kind, len(sizes), sum(sizes)) for kind, sizes in found.items()]
        return sorted(rows, key=lambda row: (-row.bytes, row.kind))

    def prune(
        self,
        *,
        max_bytes: int | None = None,
        older_than_s: float | None = None,
        kind: str | None = None,
        everything: bool = False,
    ) -> int:
        """Remove entries, least recently used first, and what dead processes left; return the bytes freed.

        An entry goes when ``everything`` is set, when it was not used for ``older_than_s``, or while all entries
        together are larger than ``max_bytes``; ``kind`` leaves out all others. Never one that is being built.
        """
        freed = self._scratch.sweep() + self._forget_partial(kind, None if everything else older_than_s)
        rows = sorted((_last_use(folder), folder) for folder in self._entries(kind))
        sizes = {folder: files.tree_size(folder) for _, folder in rows}
        total, now = sum(sizes.values()), time.time()
        for used, folder in rows:
            old = older_than_s is not None and now - used > older_than_s
            large = max_bytes is not None and total > max_bytes
            if (everything or old or large) and self._discard(folder.parent.name, folder.name):
                total -= sizes[folder]
                freed += sizes[folder]
        return freed

    def _forget_partial(self, kind: str | None, older_than_s: float | None) -> int:
        """Remove the state of interrupted work that is old enough and that nobody works on; return the bytes."""
        freed = 0
        for folder in sorted((self.root / "partial").glob(f"{kind or '*'}/*")):
            lock = self._lock(folder.parent.name, folder.name)
            if time.time() - _last_use(folder) >= (older_than_s or 0) and lock.try_acquire():
                freed += files.tree_size(folder)
                files.remove_tree(folder)
                lock.release()
        return freed

    def close(self) -> None:
        """Delete what this process has begun and not ended."""
        self._scratch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _folder(self, kind: str, key: str) -> Path:
        for name in (kind, key):
            if not _NAME.fullmatch(name):
                raise ValueError(f"'{name}' cannot name a cache entry")
        return self.root / "entries" / kind / key

    def _entries(self, kind: str | None = None) -> list[Path]:
        found = (self.root / "entries").glob(f"{kind or '*'}/*")
        return sorted(path for path in found if _NAME.fullmatch(path.name))

    def _lock(self, kind: str, key: str) -> Lock:
        self._folder(kind, key)
        return Lock(self.root / "locks" / f"{kind}-{key}.lock", remove=True)

    def _verified(self, kind: str, key: str) -> Entry | None:
        """The entry, every byte of it checked; None when it is absent or damaged."""
        folder = self._folder(kind, key)
        manifest = manifests.read(folder, kind, key)
        return None if manifest is None else _entry(folder, manifest)

    def _second_look(self, kind: str, key: str) -> Entry | None:
        """Remove an entry that was found damaged, unless somebody has mended it or is about to."""
        if self._folder(kind, key).exists() and self._discard(kind, key, only_damaged=True):
            self.damaged += 1
            return None
        return self._verified(kind, key) if self._folder(kind, key).exists() else None

    def _discard(self, kind: str, key: str, *, only_damaged: bool = False) -> bool:
        """Move an entry aside and delete it, under its lock; False when that is held elsewhere."""
        own = self._locks.get((kind, key))
        lock = self._lock(kind, key)
        if not (own is not None and own.held) and not lock.try_acquire():
            return False
        try:
            if only_damaged and self._verified(kind, key) is not None:
                return False
            aside = self._scratch.new()
            files.move(self._folder(kind, key), aside / "data")
            files.remove_tree(aside)
            self._known.pop((kind, key), None)
        except FileNotFoundError:
            return False
        else:
            return True
        finally:
            lock.release()

    def _place(self, source: Path, target: Path, manifest: Manifest) -> Entry:
        """Rename a finished folder to its name; what stands there is taken if it is whole, else replaced."""
        while True:
            try:
                files.move(source, target)
                entry = _entry(target, manifest)
                self._known[entry.kind, entry.key] = entry
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                theirs = self.find(manifest.kind, manifest.key)
                if theirs is not None:
                    return theirs
                if target.exists():  # damaged, and locked by another process that is not done with it
                    raise
            else:
                return entry


def default_root() -> Path:
    """``$XDG_CACHE_HOME/zoo-harness``, or ``~/.cache/zoo-harness``."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "zoo-harness"


def _entry(folder: Path, manifest: Manifest) -> Entry:
    return Entry(manifest.kind, manifest.key, folder / "data", manifest.digest, manifest.result)


def _last_use(folder: Path) -> float:
    for path in (folder / "manifest.json", folder):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0
