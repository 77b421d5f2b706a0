"""How the latencies of a cell lie: quantiles of each process, from raw samples, or as a published run has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.records import Record

FILE = "latencies.json"
"""Of a published run: ``task cell`` → for each process its quantiles, ms."""
QUANTILES = 41
"""Values that stand for the latencies of one process: enough for a curve."""


def key(record: Record) -> str:
    """Return what a cell is called in the file."""
    return f"{record.cell.task} {record.cell.id}"


def quantiles(record: Record, folder: Path) -> list[list[float]]:
    """Return, for each process, quantiles of its latencies in ms; empty where the run's folder has none."""
    files = record.details.get("files")
    name = files.get("samples") if isinstance(files, Mapping) else None
    path = folder / str(name)
    if not isinstance(name, str) or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return _published(folder).get(key(record), [])
    try:
        rounds = json.loads(path.read_text("utf-8"))["rounds"]
        return [_picked(one["wall_ns"]) for one in rounds if one["wall_ns"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # a picture less; the numbers stand in the record


def _picked(wall_ns: Sequence[float]) -> list[float]:
    ordered = sorted(wall_ns)
    steps = min(QUANTILES, len(ordered))
    last = len(ordered) - 1
    picked = (ordered[round(last * step / max(1, steps - 1))] for step in range(steps))
    return [float(f"{value / 1e6:.5g}") for value in picked]


def _published(folder: Path) -> Mapping[str, list[list[float]]]:
    file = folder / FILE
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else {}


@lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> Mapping[str, list[list[float]]]:
    """Return a file's content, as far as it is what it should be; read once as long as it is not changed."""
    try:
        plain: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(plain, dict):
        return {}
    return {name: value for name, value in plain.items() if _is_numbers(value)}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, list) and one and all(isinstance(n, int | float) for n in one) for one in value
    )
