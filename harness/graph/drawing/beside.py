"""Two plans held side by side: which boxes of a model correspond to which of what a converter made of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.graph.drawing.items import Plan
from harness.graph.drawing.repeats import Row
from harness.graph.families import family


@dataclass(frozen=True)
class Unit:
    """What is one box in a picture: a row of closed blocks, or a step."""

    step: int
    """The first one of it."""
    keys: tuple[Hashable, ...]
    """What it may have in common with a box of the other side, the surest first."""
    closed: Row | None = None


def pairs(before: Plan, after: Plan) -> list[tuple[Unit, Unit]]:
    """Return the boxes that correspond, both sides in rising order.

    Boxes with the same name and operator are found first; between those, boxes with the same name, then those with
    the same operators. An order that a converter turned around is not followed.
    """
    first, second = list(_units(before)), list(_units(after))
    return [(first[one], second[other]) for one, other in _paired(first, second, 0)]


def _units(plan: Plan) -> Iterator[Unit]:
    for item in plan.items:
        if item.open:
            for step in item.steps:
                lead = plan.flow.steps[step].lead
                name, word = plan.layers.layer(lead.name), family(lead.op)
                border = word in ("quantize", "dequantize")  # takes the name of what it stands beside
                yield Unit(step, ((name, word), (name, word if border else ""), word))
        else:
            words = tuple(family(plan.flow.steps[step].lead.op) for step in item.steps)
            row = (item.name, len(item.row.blocks))
            yield Unit(item.steps[0], ((*row, words), row, words), item.row)


def _paired(first: Sequence[Unit], second: Sequence[Unit], level: int) -> list[tuple[int, int]]:
    """Return positions that correspond by key ``level``, and in the gaps by those that follow."""
    if not first or not second or level >= len(first[0].keys):
        return []
    found: list[tuple[int, int]] = []
    start, begin = 0, 0
    for stop, end in [*_matches(first, second, level), (len(first), len(second))]:
        gap = _paired(first[start:stop], second[begin:end], level + 1)
        found += [(start + one, begin + other) for one, other in gap]
        if stop < len(first):
            found.append((stop, end))
        start, begin = stop + 1, end + 1
    return found


def _matches(first: Sequence[Unit], second: Sequence[Unit], level: int) -> list[tuple[int, int]]:
    keys = [[unit.keys[level] for unit in side] for side in (first, second)]
    blocks = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks()
    return [(one.a + offset, one.b + offset) for one in blocks for offset in range(one.size)]
