"""``manifest.json`` of a cache entry: what its files must be, and what the worker answered."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness import codec, files
from harness.errors import StageFailed
from harness.records import JobResult

VERSION = 1
NAME = "manifest.json"
_VOLATILE = re.compile(r"_(s|ms|seconds)$|rss")
_DAMAGE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ELOOP})


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file must be to be trusted."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of ``manifest.json``; ``checksum`` is over all other fields."""

    version: int
    kind: str
    key: str
    digest: str
    files: dict[str, FileFacts]
    result: JobResult
    checksum: str = ""


def write(folder: Path, kind: str, key: str, result: JobResult) -> Manifest:
    """Describe ``folder/data`` in ``folder/manifest.json``.

    Raises:
        StageFailed: ``bad_output``, when there is anything but plain files.
        OSError: it cannot be read or written.
    """
    result = codec.decode(codec.encode(result), JobResult)  # as it will be read, so that checksums agree
    facts = _facts(folder / "data")
    lasting = {name: value for name, value in result.values.items() if not _VOLATILE.search(name)}
    content = {"files": {name: fact.sha256 for name, fact in facts.items()}, "values": lasting}
    bare = Manifest(VERSION, kind, key, codec.digest(content), facts, result)
    manifest = replace(bare, checksum=_checksum(bare))
    files.write_atomic(folder / NAME, codec.encode(manifest))
    return manifest


def read(folder: Path, kind: str, key: str) -> Manifest | None:
    """Return the manifest when it and every byte that it speaks of are right, else None.

    Raises:
        OSError: there is something that may not be read, which is no damage.
    """
    try:
        manifest = codec.decode((folder / NAME).read_bytes(), Manifest)
        right = (
            (manifest.version, manifest.kind, manifest.key) == (VERSION, kind, key)
            and manifest.checksum == _checksum(manifest)
            and _facts(folder / "data") == manifest.files
        )
    except (codec.CodecError, StageFailed):
        return None
    except OSError as error:
        if error.errno in _DAMAGE:
            return None
        raise
    return manifest if right else None


def _checksum(manifest: Manifest) -> str:
    return codec.digest(replace(manifest, checksum=""))


def _facts(folder: Path) -> dict[str, FileFacts]:
    """Checksum and size of each file, by its path in ``folder``."""
    facts = {}
    for path in files.walk(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or not name.isprintable():
            raise StageFailed(f"{name!r} is not a plain file", "bad_output")
        facts[name] = FileFacts(files.sha256(path), path.stat().st_size)
    return facts
