"""Blocks of a network: steps between two points that everything passes through, and neighbours with one name.

A residual block is found by its shape: all that lies between where its shortcut leaves and where it comes back. A
block without a shortcut is found by its name (``block_1_expand``, ``block_1_depthwise`` …).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.graph.drawing.names import Layers, layers, most_common, numbered, shared
from harness.graph.drawing.steps import Flow
from harness.graph.ops import CONVERSIONS

_LARGE = 24
"""Steps from which on a block is looked into again, without the value that lives longest in it."""
_ROUNDS = 64


@dataclass(frozen=True)
class Block:
    """Steps of a ``Flow`` that stand side by side in it."""

    steps: tuple[int, ...]
    name: str
    """What the names of its steps have in common, as it stands in them; the layer for a single step; may be empty."""
    number: tuple[str, ...] = ()
    """Words that the names of all its steps begin with, up to a number."""
    last: str = ""
    """Of several blocks taken as one: the name of the last one."""


def blocks(flow: Flow) -> tuple[Block, ...]:
    """Return all steps of a flow as blocks, in order."""
    known = layers(step.lead.name for step in flow.steps)
    found: list[Block] = []
    for steps in _regions(flow):
        block = _named(flow, known, steps)
        before = found[-1] if found else None
        number = _common(flow, known, before, block) if before is not None else ()
        if before is not None and number:
            found[-1] = _named(flow, known, before.steps + block.steps, number)
        else:
            found.append(block)
    return tuple(found)


def _named(flow: Flow, known: Layers, steps: tuple[int, ...], number: tuple[str, ...] = ()) -> Block:
    names = [known.layer(flow.steps[step].lead.name) for step in steps]
    if len(steps) == 1:
        return Block(steps, names[0])
    found = number or most_common(_places(flow, known, steps))
    return Block(steps, _as_written(names, found) or _common_start(names), found)


def _places(flow: Flow, known: Layers, steps: Sequence[int]) -> list[tuple[str, ...]]:
    return [known.place(flow.steps[step].lead.name) for step in steps]


def _as_written(names: Sequence[str], number: tuple[str, ...]) -> str:
    """Return the beginning of a name that holds the words of ``number``."""
    if not number:
        return ""
    for name in names:
        end, place = 0, 0
        for word in number:
            place = name.find(word, end)
            if place < 0:
                break
            end = place + len(word)
        if place >= 0:
            return name[:end]
    return "/".join(number)


def _common_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    size = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:size].rstrip("_/.:-") if size > 2 else ""


def _common(flow: Flow, known: Layers, before: Block, after: Block) -> tuple[str, ...]:
    """Return the number that makes one block of two neighbours, empty when they are two.

    QUANTIZE and DEQUANTIZE have the name of what they stand beside and are no part of it.
    """
    if any(flow.steps[step].lead.op in CONVERSIONS for step in (before.steps[-1], after.steps[0])):
        return ()
    firsts = before.number or _places(flow, known, before.steps)[0]
    lasts = after.number or _places(flow, known, after.steps)[0]
    number = numbered(shared(firsts, lasts))
    for block in (before, after):
        if len(block.steps) > 1 and block.number != number:
            return ()
    return number


def _regions(flow: Flow) -> list[tuple[int, ...]]:
    """Return the steps between the points that every value passes through; large regions are taken apart again."""
    skipped: set[int] = set(flow.graph.inputs.values())
    waiting = [tuple(range(len(flow.steps)))] if flow.steps else []
    done: list[tuple[int, ...]] = []
    rounds = 0
    while waiting:
        steps = waiting.pop()
        parts = _cut(flow, steps, skipped)
        if len(parts) > 1:
            waiting += reversed(parts)
        elif len(steps) > _LARGE and rounds < _ROUNDS and (longest := _longest(flow, steps, skipped)) is not None:
            skipped.add(longest)
            rounds += 1
            waiting.append(steps)
        else:
            done.append(steps)
    return done


def _cut(flow: Flow, steps: tuple[int, ...], skipped: set[int]) -> list[tuple[int, ...]]:
    """Cut ``steps`` behind each one after which at most one value is still needed."""
    parts: list[tuple[int, ...]] = []
    start, needed = 0, _alive_before(flow, steps, skipped)
    for place, step in enumerate(steps):
        needed |= {n for n in flow.steps[step].outputs if n not in skipped and flow.last_readers.get(n, -1) > step}
        needed.difference_update(n for n in flow.steps[step].inputs if flow.last_readers[n] == step)
        if len(needed) <= 1:
            parts.append(steps[start : place + 1])
            start = place + 1
    return [*parts, steps[start:]] if start < len(steps) else parts


def _alive_before(flow: Flow, steps: tuple[int, ...], skipped: set[int]) -> set[int]:
    """Return what was computed before ``steps`` and is read in them."""
    return {
        number
        for step in steps
        for number in flow.steps[step].inputs
        if number not in skipped and flow.makers.get(number, steps[0]) < steps[0]
    }


def _longest(flow: Flow, steps: tuple[int, ...], skipped: set[int]) -> int | None:
    """Return the value that lives longest across ``steps``."""
    ages = {
        number: flow.last_readers[number] - max(flow.makers.get(number, -1), steps[0] - 1)
        for step in steps
        for number in (*flow.steps[step].inputs, *flow.steps[step].outputs)
        if number not in skipped and number in flow.last_readers
    }
    best = max(ages, key=lambda number: (ages[number], -number), default=None)
    return best if best is not None and ages[best] > 1 else None
