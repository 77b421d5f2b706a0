"""How big an artifact is: as it is, and compressed (what pruning gains)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

UNITS: dict[str, str] = {"size_bytes": "bytes", "gzip_bytes": "bytes"}

_CHUNK = 1 << 20
_HEADER_BYTES = 18
"""Header (10) and trailer (8) of a gzip file without a name in it."""


def measure(path: Path) -> dict[str, int]:
    """Return ``size_bytes`` and ``gzip_bytes`` (level 6) of a file, or of all files in a folder together.

    A folder's files are compressed one by one. Only a megabyte at a time is held in memory.

    Raises:
        FileNotFoundError: nothing is at ``path``.
    """
    files = list(_files(path))
    return {
        "size_bytes": sum(file.stat().st_size for file in files),
        "gzip_bytes": sum(_gzip_bytes(file) for file in files),
    }


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FileNotFoundError(path)
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def _gzip_bytes(file: Path) -> int:
    """Return the size that ``gzip -6 -n`` gives: the time of the file is not in it."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    total = _HEADER_BYTES
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total += len(compressor.compress(chunk))
    return total + len(compressor.flush())
