"""Files as memory that is read only where somebody looks: a constant of a gigabyte costs nothing until then."""

from __future__ import annotations

import mmap
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mapped(path: Path) -> memoryview:
    """Return the content of a file without reading it; it may be replaced meanwhile, but not cut off.

    Raises ``OSError``.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def array(content: memoryview, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> NDArray[Any]:
    """Return the values at ``offset`` as a view. Raises ``ValueError`` when they do not lie within ``content``."""
    kind, count = np.dtype(dtype), prod(shape)
    if min(shape, default=0) < 0 or offset < 0 or offset + count * kind.itemsize > len(content):
        raise ValueError(f"{count} values of {kind} at byte {offset} do not fit into {len(content)} bytes")
    if not count:
        return np.zeros(shape, kind)
    found: NDArray[Any] = np.frombuffer(content, kind, count, offset)
    return found.reshape(shape)
