"""What changed between versions: cells under several toolchains, brought together and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.records import Cell
from harness.report.changes import ALL_RUNTIMES, OF_CELL, Change, Group, numbers, of_artifact, state
from harness.report.matrix import labels
from harness.report.notes import Notes
from harness.report.shown import NO_CELL, one_line
from harness.report.view import View
from harness.tables.order import EXPORTS, QUANTS, RUNTIMES, cell_key, model_key, place
from harness.tables.verdict import Judged

DEFAULT = "default"
MISSING = "toolchain_missing"
"""Reason of the cells of a toolchain that is not installed."""
COMPARED = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "ai-edge-quantizer", "numpy")
"""Packages whose versions are shown."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The comparison, ready to be laid out."""

    toolchains: tuple[str, ...]
    packages: tuple[tuple[str, ...], ...]
    """Package, then its version in each toolchain."""
    absent: tuple[str, ...]
    """One line for each toolchain that was asked for and is not installed."""
    cells: int
    same: int
    """How many cells were compared, and how many of them came out the same in everything."""
    states: tuple[Change, ...]
    """Where the verdict, or the reason for it, is another."""
    numbers: tuple[Change, ...]
    """Where what came out is another."""
    notes: tuple[str, ...]
    """Numbered from 1; on ``states``."""


def versions(report: View) -> Versions | None:
    """Return what differs between toolchains, None when all cells are of one."""
    newest = {j.record.cell: j for j in sorted(report.judged, key=lambda j: j.record.started_at)}
    if len({cell.toolchain for cell in newest}) < 2:
        return None
    missing = {cell.toolchain: text for cell, j in newest.items() if (text := _missing(j))}
    order = sorted({cell.toolchain for cell in newest} - set(missing), key=lambda name: (name != DEFAULT, name))
    groups = _groups(j for cell, j in newest.items() if cell.toolchain in order)
    names, notes = replace(labels(newest.values()), toolchains=False), Notes()
    states = [change for one in groups for change in state(one, order, names, notes)]
    of_cells = [change for one in groups for change in numbers(one, order, names, OF_CELL)]
    of_files = [change for one in _artifacts(groups) for change in of_artifact(one, order, names)]
    return Versions(
        toolchains=tuple(order),
        packages=_packages(report, order),
        absent=tuple(missing[name] for name in sorted(missing)),
        cells=len(groups),
        same=_unchanged(groups, [*states, *of_cells], of_files),
        states=tuple(states),
        numbers=tuple(sorted([*of_files, *of_cells], key=_place)),
        notes=tuple(notes.texts),
    )


def _missing(j: Judged) -> str:
    """Return what a cell says of its toolchain when that is not installed, else nothing."""
    failure = j.record.failure
    return one_line(failure.message) if failure is not None and failure.reason == MISSING else ""


def _groups(judged: Iterable[Judged]) -> list[Group]:
    """Return the cells that were asked for under more than one toolchain, and make sense under one at least."""
    found: dict[Cell, Group] = defaultdict(dict)
    for j in judged:
        found[replace(j.record.cell, toolchain=DEFAULT)][j.record.cell.toolchain] = j
    groups = [found[cell] for cell in sorted(found, key=cell_key)]
    return [g for g in groups if len(g) > 1 and any(j.record.status != "unsupported" for j in g.values())]


def _artifacts(groups: Sequence[Group]) -> list[Group]:
    """Return one group for each artifact: of its cells under a toolchain, the one that knows most."""
    found: dict[Cell, Group] = {}
    for group in groups:
        for toolchain, j in group.items():
            own = found.setdefault(_artifact(j.record.cell), {})
            if toolchain not in own or len(j.record.values) > len(own[toolchain].record.values):
                own[toolchain] = j
    return list(found.values())


def _artifact(cell: Cell) -> Cell:
    return replace(cell, toolchain=DEFAULT, runtime="", threads=0)


def _unchanged(groups: Sequence[Group], of_cells: Sequence[Change], of_files: Sequence[Change]) -> int:
    cells = {replace(change.cell, toolchain=DEFAULT) for change in of_cells}
    artifacts = {_artifact(change.cell) for change in of_files}
    own = [replace(next(iter(group.values())).record.cell, toolchain=DEFAULT) for group in groups]
    return sum(cell not in cells and _artifact(cell) not in artifacts for cell in own)


def _place(change: Change) -> tuple[object, ...]:
    """Return the sort key of a change: its artifact first, then its runtimes."""
    cell = replace(change.cell, toolchain=DEFAULT)
    of_cell = change.runtime != ALL_RUNTIMES
    artifact = (*model_key(cell), place(cell.quant, QUANTS), place(cell.export, EXPORTS))
    return (*artifact, of_cell, place(cell.runtime if of_cell else "", RUNTIMES), cell.threads)


def _packages(report: View, order: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the versions as far as the runs wrote them down."""
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for info in report.runs:
        for name, found in info.toolchains:
            known[name] |= dict(found)
    rows = [(package, *(known[name].get(package, NO_CELL) for name in order)) for package in COMPARED]
    return tuple(row for row in rows if set(row[1:]) != {NO_CELL})
