"""What of a graph is drawn open, and what is closed: the choice between a picture to read and one that shows all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

from harness.errors import UserError, did_you_mean
from harness.graph.drawing.blocks import Block, blocks
from harness.graph.drawing.names import Layers, layers
from harness.graph.drawing.repeats import Kind, Row, kind, rows
from harness.graph.drawing.steps import Flow, flow
from harness.graph.model import Graph

Depth = Literal["auto", "blocks", "steps", "operators"]
_SMALL = 20
"""Steps up to which ``auto`` draws all of them."""
_OPEN = 12
"""Steps of a block that there is but one of, up to which it is drawn open where it stands."""


@dataclass(frozen=True)
class Item:
    """A row of blocks in a picture; an open one has one block, whose steps are drawn."""

    row: Row
    open: bool

    @property
    def steps(self) -> tuple[int, ...]:
        """Return the steps of all blocks."""
        return tuple(step for block in self.row.blocks for step in block.steps)

    @property
    def name(self) -> str:
        """Return the name of the first block."""
        return self.row.blocks[0].name


@dataclass(frozen=True)
class Plan:
    """A graph, cut up for drawing."""

    flow: Flow
    items: tuple[Item, ...]

    @cached_property
    def layers(self) -> Layers:
        """How its operators are named."""
        return layers(step.lead.name for step in self.flow.steps)

    @cached_property
    def closed(self) -> dict[Kind, Block]:
        """Kind of closed blocks → the first block of that kind; only what has more than one step."""
        found: dict[Kind, Block] = {}
        for item in self.items:
            if not item.open and len(item.row.blocks[0].steps) > 1:
                found.setdefault(item.row.kind, item.row.blocks[0])
        return found


def plan(graph: Graph, depth: Depth = "auto", expand: Sequence[str] = ()) -> Plan:
    """Return what to draw of a graph; blocks with a name that fits one of ``expand`` are open.

    Raises:
        UserError: no block has such a name.
        StageFailed: ``broken_file``, for a graph with a cycle.
    """
    found = flow(graph, fold=depth != "operators")
    parts = blocks(found)
    if depth == "auto":
        depth = "steps" if len(found.steps) <= _SMALL and not expand else "blocks"
    if depth != "blocks":
        return Plan(found, tuple(Item(Row((block,), kind(found, block)), open=True) for block in parts))
    wanted = _wanted(parts, expand)
    lined = rows(found, parts, wanted)
    counts = Counter(one for row in lined for one in [row.kind] * len(row.blocks))
    return Plan(found, tuple(Item(row, open=_is_open(row, counts, wanted)) for row in lined))


def closed_like(first: Plan, second: Plan) -> Plan:
    """Return ``first`` with those blocks closed that stand closed in ``second``, so that the two can be compared."""
    names = {item.name for item in second.items if not item.open and len(item.row.blocks) == 1}
    return Plan(first.flow, tuple(Item(item.row, item.open and not (len(item.steps) > 1 and item.name in names))
                                  for item in first.items))  # fmt: skip


def _is_open(row: Row, counts: Counter[Kind], wanted: frozenset[Block]) -> bool:
    if len(row.blocks) > 1:
        return False
    size = len(row.blocks[0].steps)
    return size == 1 or row.blocks[0] in wanted or (counts[row.kind] == 1 and size <= _OPEN)


def _wanted(parts: Sequence[Block], expand: Sequence[str]) -> frozenset[Block]:
    found: set[Block] = set()
    for pattern in expand:
        fit = [block for block in parts if fnmatchcase(block.name, pattern)]
        if not fit:
            raise UserError(f"--expand {pattern}: no block has this name; {did_you_mean(pattern, _names(parts))}")
        found.update(fit)
    return frozenset(found)


def _names(parts: Sequence[Block]) -> list[str]:
    return [block.name for block in parts if block.name and len(block.steps) > 1] or ["*"]
