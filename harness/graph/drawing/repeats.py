"""Blocks of the same make: kinds of blocks, and rows of them that follow each other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from harness.graph.drawing.blocks import Block
from harness.graph.drawing.steps import Flow, Step
from harness.graph.model import Tensor

_PERIOD = 8
"""Most blocks that are taken together to repeat as one."""
_TURNS = 3
"""Times that several blocks must repeat together to be taken as one; for a single one two are enough."""

Kind = tuple[Hashable, ...]


@dataclass(frozen=True)
class Row:
    """``blocks`` of one kind, each reading the one before it; mostly a single one."""

    blocks: tuple[Block, ...]
    kind: Kind
    """The same for blocks that look the same in a picture: operators, dtypes and who reads whom."""


def rows(flow: Flow, blocks: Sequence[Block], apart: frozenset[Block] = frozenset()) -> tuple[Row, ...]:
    """Return blocks in rows of equals: first single blocks that repeat, then several that repeat together.

    Equals have the same operators, dtypes and strides; numbers of channels may differ. Blocks in ``apart`` stay alone.
    """
    marks = [(kind(flow, block), *_strides(flow, block), block.steps if block in apart else ()) for block in blocks]
    single = _repeated(list(blocks), marks, range(1, 2))
    found: list[Row] = []
    alone: list[Block] = []
    for group in [*single, None]:
        if group is not None and len(group) == 1:
            alone.append(group[0])
            continue
        known = dict(zip(blocks, marks, strict=True))
        together = _repeated(alone, [known[block] for block in alone], range(2, _PERIOD + 1))
        found += [Row(tuple(one), kind(flow, one[0])) for one in together]
        alone = []
        if group is not None:
            found.append(Row(tuple(group), kind(flow, group[0])))
    return tuple(found)


def _repeated(blocks: list[Block], marks: list[Kind], periods: range) -> list[list[Block]]:
    """Return the blocks in groups of equals; with a period over one, those within it become one block."""
    found: list[list[Block]] = []
    place = 0
    while place < len(blocks):
        period, count = _best(marks, place, periods)
        units = [blocks[place + turn * period : place + (turn + 1) * period] for turn in range(count)]
        found.append([_joined(unit) for unit in units])
        place += period * count
    return found


def _best(marks: list[Kind], place: int, periods: range) -> tuple[int, int]:
    """Return (period, count) of the repetition at ``place`` that saves most."""
    best = (1, 1)
    for period in periods:
        unit, count = marks[place : place + period], 1
        while len(unit) == period and marks[place + count * period : place + (count + 1) * period] == unit:
            count += 1
        if count >= (2 if period == 1 else _TURNS) and period * (count - 1) > best[0] * (best[1] - 1):
            best = (period, count)
    return best


def _joined(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return Block(tuple(step for block in blocks for step in block.steps), blocks[0].name, last=blocks[-1].name)


def kind(flow: Flow, block: Block) -> Kind:
    """Return what a block looks like: equal for blocks that a picture need show but once."""
    own = {number: (place, index) for place, step in enumerate(block.steps)
           for index, number in enumerate(flow.steps[step].outputs)}  # fmt: skip
    outside: dict[int, int] = {}
    found: list[Hashable] = []
    for step in (flow.steps[step] for step in block.steps):
        reads = tuple(own.get(number) or outside.setdefault(number, -1 - len(outside)) for number in step.inputs)
        dtypes = tuple(flow.carried(number).dtype for number in step.outputs)
        found.append((tuple(node.op for node in step.nodes), reads, dtypes, weight_dtype(flow, step)))
    return tuple(found)


def weight(flow: Flow, step: Step) -> Tensor | None:
    """Return the largest constant that a step computes with, as it is stored."""
    from harness.graph.macs import operand

    found = [operand(flow.graph, node, place) for node in step.nodes for place in range(len(node.inputs))]
    constants = [one for one in found if one is not None and one.constant]
    return max(constants, key=lambda one: one.elements or 0, default=None)


def weight_dtype(flow: Flow, step: Step) -> str:
    """Return the dtype that a step's weights are stored in, empty when it has none to speak of."""
    found = weight(flow, step)
    return found.dtype if found is not None and (found.elements or 0) > 8 else ""


def _strides(flow: Flow, block: Block) -> tuple[Hashable, ...]:
    """Return how much smaller each step's image is than the one that it reads."""
    return tuple(stride(flow, flow.steps[step]) for step in block.steps)


def stride(flow: Flow, step: Step) -> int:
    """Return the factor by which a step shrinks the height of an image; 1 where that cannot be told."""
    if not step.inputs or not step.outputs:
        return 1
    before, after = (_height(flow.graph.tensors[one]) for one in (step.inputs[0], step.outputs[0]))
    return -(-before // after) if before and after and after > 1 else 1


def _height(tensor: Tensor) -> int:
    """Return the third size from behind of NHWC, and as good for NCHW: images are taken to be square."""
    sizes = tensor.shape or ()
    return sizes[2] if len(sizes) == 4 and sizes[2] > 0 else 0
