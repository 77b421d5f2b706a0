"""Files that survive a crash: atomic writes, appends that never stay torn, renames that are on disk.

Every write of ``cache``, ``store`` and the runner goes through here (as ``os.…``, also where ``Path`` could
do it), so that a test can make the n-th operation fail.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a write says when there is no room for it: disk full, quota used up, file larger than allowed."""


def write_atomic(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``: temporary name, fsync, replace, fsync of the folder. Never half a file.

    Raises:
        OSError: nothing has changed at ``path``.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``, however many calls that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def append(descriptor: int, data: bytes, size: int) -> None:
    """Add ``data`` behind the first ``size`` bytes and fsync; what cannot be written completely is cut off again.

    Raises:
        OSError: the file is ``size`` bytes long, or cutting failed too: then the next append, or whoever opens
            the file next, does it.
    """
    if os.fstat(descriptor).st_size != size:
        os.ftruncate(descriptor, size)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def sync_folder(folder: Path) -> None:
    """Fsync a folder, so that the names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Fsync every file and folder below ``folder``, and itself."""
    for path in walk(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for parent, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(parent))


def walk(folder: Path) -> Iterator[Path]:
    """Every path below ``folder`` that is not a folder, sorted; links are not followed.

    Raises:
        OSError: a folder could not be read.
    """
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink():
            yield from walk(child)
        else:
            yield child


def move(source: Path, target: Path) -> None:
    """Rename a folder into its place and make that durable.

    Raises:
        OSError: ``target`` is a folder that is not empty, or the rename failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)  # noqa: PTH104
    sync_folder(target.parent)


def sha256(path: Path) -> str:
    """Checksum of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_tree(folder: Path) -> None:
    """Delete a folder and all in it; what is already gone or cannot go is left."""
    shutil.rmtree(folder, ignore_errors=True)


def tree_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 when there is none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total


def tail(path: Path, lines: int = 40, size: int = 8000) -> str:
    """Last ``lines`` lines of a text, at most ``size`` characters; empty when there is no such file."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 65536))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])[-size:]
