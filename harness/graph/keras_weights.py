"""The weights of a ``.keras`` file: HDF5 inside the archive, of which only the directory is read."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.graph.mapped import array, mapped
from harness.graph.model import Tensor

MEMBER = "model.weights.h5"
_LOCAL_HEADER = 30


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable of a layer."""

    dtype: str
    shape: tuple[int, ...]
    data: Any
    """A view of the file; None when it is compressed or was never written."""

    def tensor(self, name: str, number: int) -> Tensor:
        """Return it as a constant in buffer ``number``."""
        import numpy as np

        try:
            size = prod(self.shape) * np.dtype(self.dtype).itemsize
        except TypeError:
            size = 0
        return Tensor(name, self.dtype, self.shape, constant=True, bytes=size, buffer=number, data=self.data)


class Weights:
    """The open file of weights. Raises ``ValueError`` or ``OSError`` when it is not whole."""

    def __init__(self, path: Path) -> None:
        import h5py  # type: ignore[import-untyped]

        with zipfile.ZipFile(path) as archive:
            entry = _entry(archive)
        self._content = _member(mapped(path), entry)
        self._file = h5py.File(_Stream(self._content), "r")

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def of(self, store: str) -> list[tuple[str, Weight]]:
        """Return (name, weight) of a layer, in the order of its variables, with those of layers inside it."""
        import h5py

        group = self._group(store)
        if group is None:
            return []
        found: list[tuple[str, Weight]] = []
        group.visititems(lambda name, one: found.append((name, one)) if isinstance(one, h5py.Dataset) else None)
        own = [one for one in found if one[0].startswith("vars/")]
        inner = [one for one in found if not one[0].startswith("vars/")]
        return [(_short(name), self._weight(one)) for name, one in [*sorted(own, key=_order), *inner]]

    def _group(self, store: str) -> Any:
        """Return a group of this file, never of one that a link leads to; None when there is none."""
        import h5py

        group: Any = self._file
        for part in store.split("/"):
            link = group.get(part, getlink=True)
            group = group.get(part) if isinstance(link, h5py.HardLink) else None
            if not isinstance(group, h5py.Group):
                return None
        return group

    def _weight(self, dataset: Any) -> Weight:
        dtype, shape = dataset.dtype, tuple(int(size) for size in dataset.shape)
        place = dataset.id.get_offset()
        plain = place is not None and dataset.chunks is None and not dataset.external and dtype.kind in "fiub"
        return Weight(str(dtype.name), shape, array(self._content, dtype, shape, place) if plain else None)


class _Stream(io.RawIOBase):
    """A part of a file as a file, for HDF5; the one of ``zipfile`` reads everything anew for each step back."""

    def __init__(self, content: memoryview) -> None:
        super().__init__()
        self._content, self._place = content, 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        """It can be read anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; return it."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._content)}[whence]
        return self._place

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as there is something; return how far."""
        found = self._content[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


def _entry(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    try:
        entry = archive.getinfo(MEMBER)
    except KeyError as error:
        raise ValueError(f"there is no {MEMBER} in it") from error
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"its {MEMBER} is compressed, which Keras does not do")
    return entry


def _short(name: str) -> str:
    return name.removeprefix("vars/")


def _order(one: tuple[str, Any]) -> tuple[int, str]:
    """Put variable 10 behind variable 9."""
    number = one[0].rpartition("/")[2]
    return (int(number) if number.isdecimal() else 0, one[0])


def _member(content: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """Return the bytes of a member that is stored plainly."""
    header = content[entry.header_offset : entry.header_offset + _LOCAL_HEADER]
    if len(header) < _LOCAL_HEADER:
        raise ValueError(f"the archive ends before its {MEMBER}")
    name, extra = struct.unpack_from("<HH", header, 26)
    start = entry.header_offset + _LOCAL_HEADER + name + extra
    if start + entry.file_size > len(content):
        raise ValueError(f"the archive ends inside its {MEMBER}")
    return content[start : start + entry.file_size]


class Names:
    """Where Keras keeps a layer's weights: by its class and a running number."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def of(self, kind: str) -> str:
        """Return the name of the next layer of a class, as Keras 2 and 3 count them."""
        words = re.sub(r"\W+", "", kind)
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", words)
        name = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        count = self._used.get(name, -1) + 1
        self._used[name] = count
        return f"{name}_{count}" if count else name
