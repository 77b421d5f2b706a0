"""One run's folder: records appended line by line, each whole or not there; one harness at a time.

::

    <folder>/records.jsonl    one record a line, with its checksum (see ``codec``)
    <folder>/records.torn     what stood after the last whole line when a writer was killed
    <folder>/records.damaged  lines that did not match their checksum
    <folder>/.lock            held by the harness that writes here
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import codec, files
from harness.errors import UserError
from harness.locks import Lock
from harness.records import Record


class StoreFull(UserError):
    """There is no room for another record; all that were kept are safe."""


class Store:
    """The folder of one run; use it as a context manager, or ``open`` and ``close`` it.

    Opening repairs what a killed writer left. ``damaged`` counts the lines that had to be set aside then.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.damaged = 0
        self._path = self.folder / "records.jsonl"
        self._lock = Lock(self.folder / ".lock")
        self._descriptor: int | None = None
        self._records: list[Record] = []
        self._size = 0

    def open(self) -> Self:
        """Make the folder if need be, take its lock, repair and read the records.

        Raises:
            UserError: the folder cannot be written, another harness writes to it, or a newer one has.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = self._lock.try_acquire()
        except OSError as error:
            raise self._unusable(error) from error
        if not free:
            pid = self._lock.holder
            holder = f" (process {pid})" if pid else ""
            message = f"another harness{holder} is writing to {self.folder}; wait for it or choose run_id="
            raise UserError(message)
        try:
            self._repair()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            self._size = os.fstat(self._descriptor).st_size
            files.sync_folder(self.folder)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise self._unusable(error) from error
            raise
        return self

    def close(self) -> None:
        """Give the folder back; nothing happens when it is not open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._lock.release()

    @property
    def records(self) -> list[Record]:
        """All records kept so far, in the order of their writing."""
        return list(self._records)

    def append(self, record: Record) -> None:
        """Keep a record: when this returns it is on disk.

        Raises:
            StoreFull: there is no room; nothing of it was kept.
            OSError: it could not be written for another reason; nothing of it was kept.
            CodecError: it could not be read again.
            RuntimeError: the store is not open.
        """
        if self._descriptor is None:
            raise RuntimeError(f"{self.folder} is not open")
        line = codec.encode_record(record) + b"\n"
        as_read = codec.decode_record(line)
        try:
            files.append(self._descriptor, line, self._size)
        except OSError as error:
            if error.errno in files.FULL:
                raise self._full(error) from error
            raise
        self._size += len(line)
        self._records.append(as_read)

    def write_json(self, name: str, value: Any) -> Path:
        """Put ``value`` (plain JSON or dataclasses) into the file ``name`` of the folder, whole or not at all.

        Raises:
            StoreFull: there is no room.
        """
        path = self._inside(name)
        text = json.dumps(json.loads(codec.encode(value)), indent=2, ensure_ascii=False)
        try:
            files.write_atomic(path, text.encode() + b"\n")
        except OSError as error:
            if error.errno in files.FULL:
                raise self._full(error) from error
            raise self._unusable(error) from error
        return path

    def read_json(self, name: str) -> Any:
        """Return what ``write_json`` wrote, as plain JSON; None when there is no such file.

        Raises:
            CodecError: it is no JSON.
        """
        try:
            return codec.decode(self._inside(name).read_bytes(), object)
        except FileNotFoundError:
            return None

    def __enter__(self) -> Self:
        return self if self._lock.held else self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _inside(self, name: str) -> Path:
        if Path(name).name != name or name.startswith("."):
            raise ValueError(f"'{name}' cannot name a file of a run")
        return self.folder / name

    def _repair(self) -> None:
        """Read the records; set torn and damaged lines aside and write the rest anew, all or nothing."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        self._records, good, damaged, torn = _sorted_out(data)
        self.damaged = len(damaged)
        if good == data:
            return
        for name, bad in (("records.torn", torn), ("records.damaged", b"".join(damaged))):
            if bad:
                self._set_aside(name, bad)
        files.write_atomic(self._path, good)

    def _set_aside(self, name: str, data: bytes) -> None:
        path = self.folder / name
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes() + data
        files.write_atomic(path, data)

    def _full(self, error: OSError) -> StoreFull:
        kept = f"{len(self._records)} records are safe"
        return StoreFull(f"no room in {self.folder} ({error.strerror}): {kept}; free some and run the same again")

    def _unusable(self, error: OSError) -> UserError:
        return UserError(f"the results folder {self.folder} cannot be written ({error}); move it with results_dir=")


def read(folder: Path) -> list[Record]:
    """Return the whole records of a run, also while somebody writes it; changes nothing.

    Raises:
        UserError: there are no records in ``folder``.
    """
    path = folder / "records.jsonl"
    try:
        return _sorted_out(path.read_bytes())[0]
    except OSError as error:
        raise UserError(f"{folder} is not the folder of a run: {path.name} cannot be read ({error})") from error


def _sorted_out(data: bytes) -> tuple[list[Record], bytes, list[bytes], bytes]:
    """Split the file into records, their lines, damaged lines, and a torn rest.

    A last line that lacks only its newline is whole: its checksum says so.

    Raises:
        UserError: a line is whole and of a format that is not known here.
    """
    records: list[Record] = []
    good: list[bytes] = []
    damaged: list[bytes] = []
    for line in re.findall(rb"[^\n]*\n|[^\n]+", data):
        try:
            records.append(codec.decode_record(line))
            good.append(line if line.endswith(b"\n") else line + b"\n")
        except codec.CodecError as error:
            if "checksum" not in str(error):  # undamaged, and yet none of ours: not to be thrown away
                raise UserError(f"a record cannot be read by this version of the harness: {error}") from error
            damaged.append(line)
    torn = damaged.pop() if damaged and not damaged[-1].endswith(b"\n") else b""
    return records, b"".join(good), damaged, torn
