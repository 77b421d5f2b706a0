"""Faults to inject: the n-th input or output operation fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from harness import files


class FailingOs:
    """``os``, but the n-th operation that changes something fails; a write has done half of it."""

    def __init__(self, fail_at: int, error: int = errno.ENOSPC) -> None:
        self.struck = False
        self._left = fail_at
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def disarm(self) -> None:
        """From here on nothing fails."""
        self._left = 0

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.struck = True
            raise OSError(self._error, os.strerror(self._error))

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        self._count()
        return os.open(path, flags, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        try:
            self._count()
        except OSError:
            os.write(descriptor, data[: len(data) // 2])
            raise
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._count()
        os.fsync(descriptor)

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._count()
        os.ftruncate(descriptor, size)

    def replace(self, source: Any, target: Any) -> None:
        self._count()
        os.replace(source, target)  # noqa: PTH105

    def rename(self, source: Any, target: Any) -> None:
        self._count()
        os.rename(source, target)  # noqa: PTH104


@pytest.fixture
def each_fault(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return ``faults(error)``: yields the ``FailingOs`` in force, n = 1, 2, … until n is not reached."""

    def faults(error: int = errno.ENOSPC) -> Iterator[FailingOs]:
        for n in range(1, 1000):
            failing = FailingOs(n, error)
            with monkeypatch.context() as patch:
                patch.setattr(files, "os", failing)
                yield failing
            if not failing.struck:
                assert n > 2, "hardly any operation was seen: are they still made through files.os?"
                return

    return faults
