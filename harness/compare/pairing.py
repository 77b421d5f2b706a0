"""Two sides of a comparison, and the cells that they have in common."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records import Record
from harness.tables import read
from harness.tables.order import cell_key

Key = tuple[str, str]
"""Task and cell id: what makes two records of different runs the same cell."""


@dataclass(frozen=True, slots=True)
class Side:
    """The runs of one side."""

    name: str
    """``base`` or ``candidate``."""
    runs: tuple[str, ...]
    cells: dict[Key, tuple[Record, ...]]
    """The records of a cell, a run each, oldest first: the last one stands for the cell."""
    sources: dict[str, Path]
    """Run → its folder."""
    problems: tuple[str, ...]

    @property
    def title(self) -> str:
        """The runs by name, shortened when they are many."""
        return ", ".join(self.runs) if len(self.runs) <= 3 else f"{self.runs[0]} … {self.runs[-1]} ({len(self.runs)})"


@dataclass(frozen=True, slots=True)
class Pair:
    """A cell with its records on both sides; empty where it is not part of the runs."""

    cell: str
    base: tuple[Record, ...]
    cand: tuple[Record, ...]

    @property
    def latest(self) -> tuple[Record, Record] | None:
        """The newest record of either side, when both have one."""
        return (self.base[-1], self.cand[-1]) if self.base and self.cand else None


def side(name: str, *paths: str | Path) -> Side:
    """Return the records at some paths (``tables.read``). Raises ``UserError``: no run there, or an empty one."""
    reading = read(*map(_located, paths))
    if not reading.records:
        damage = f" ({len(reading.problems)} damaged lines)" if reading.problems else ""
        where = ", ".join(map(str, paths))
        raise UserError(f"{where}: the {name} holds no whole record{damage}; allowed: a run with at least one")
    cells: dict[Key, list[Record]] = defaultdict(list)
    for record in sorted(reading.records, key=lambda r: (r.started_at, r.run)):
        cells[record.cell.task, record.cell.id].append(record)
    runs = dict.fromkeys(r.run for r in sorted(reading.records, key=lambda r: (r.started_at, r.run)))
    ordered = sorted(cells.items(), key=lambda item: cell_key(item[1][-1].cell))
    problems = tuple(f"{name}: {line}" for line in reading.problems)
    return Side(name, tuple(runs), {k: tuple(v) for k, v in ordered}, reading.sources, problems)


def _located(path: str | Path) -> str | Path:
    """Return a path as it is, or below ``results`` when only there is something of that name."""
    below = Path("results") / path
    return below if not Path(path).exists() and below.exists() else path


def pairs(base: Side, cand: Side) -> tuple[Pair, ...]:
    """Return every cell of either side, in the order of tables.

    Raises ``UserError`` when they have no cell in common: nothing can be said then.
    """
    if not set(base.cells) & set(cand.cells):
        raise UserError(f"{base.title} and {cand.title} have no cell in common: "
                        f"{_example(base)} against {_example(cand)}; allowed: runs of the same cells")  # fmt: skip
    both = {**base.cells, **cand.cells}
    several = len({task for task, _ in both}) > 1
    ordered = sorted(both, key=lambda k: cell_key(both[k][-1].cell))
    made = (Pair(cell, base.cells.get((task, cell), ()), cand.cells.get((task, cell), ())) for task, cell in ordered)
    return tuple(replace(p, cell=f"{_task(p)}: {p.cell}") if several else p for p in made)


def _task(pair: Pair) -> str:
    return (pair.base or pair.cand)[-1].cell.task


def _example(one: Side) -> str:
    task, cell = next(iter(one.cells))
    return f"{cell} ({task})" + (f" and {len(one.cells) - 1} more" if len(one.cells) > 1 else "")


def environments(one: Side) -> dict[tuple[str, str], dict[str, Any]]:
    """Return run and toolchain → the environment that its cells were made in, empty where it was not written down."""
    used = {(record.run, record.cell.toolchain) for records in one.cells.values() for record in records}
    return {(run, name): run_file(one, run, _environment_file(name)) for run, name in used}


def _environment_file(toolchain: str) -> str:
    return "environment.json" if toolchain == "default" else f"environment-{Path(toolchain).name}.json"


def run_file(one: Side, run: str, name: str) -> Any:
    """Return a JSON object beside the records of a run, empty when there is none that can be read."""
    try:
        content = json.loads((one.sources[run] / name).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def run_config(one: Side, run: str) -> dict[str, Any]:
    """Return the configuration that a run was composed with, empty when there is none that can be read."""
    import yaml

    try:
        content = yaml.safe_load((one.sources[run] / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def kept_file(one: Side, record: Record, kind: str) -> Path | None:
    """Return a file that a record names (``samples``, ``predictions``), None when it is not in the run's folder."""
    files = record.details.get("files")
    name = files.get(kind) if isinstance(files, dict) else None
    if not isinstance(name, str):
        return None
    folder = one.sources[record.run].resolve()
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None
