"""Graphs to pictures: one of a graph, or one that holds what a converter made of it beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

from harness.graph.drawing import beside
from harness.graph.drawing.items import Depth, Plan, closed_like, plan
from harness.graph.drawing.panels import box_ids, kind_panel, panel
from harness.graph.drawing.picture import Picture, Side
from harness.graph.drawing.repeats import Kind
from harness.graph.model import Graph


def picture(graph: Graph, name: str, *, depth: Depth = "auto", expand: Sequence[str] = ()) -> Picture:
    """Return the picture of a graph called ``name``. Raises as ``items.plan`` does."""
    found = plan(graph, depth, expand)
    letters = _letters(found, _alphabet())
    return Picture((_side(found, "g", name, letters, frozenset()),))


def pictures(
    before: tuple[Graph, str], after: tuple[Graph, str], *, depth: Depth = "auto", expand: Sequence[str] = ()
) -> Picture:
    """Return the picture of two graphs, each with its name, side by side. Raises as ``items.plan`` does."""
    graphs, names = (before[0], after[0]), (f"before: {before[1]}", f"after: {after[1]}")
    first, second = (plan(graph, depth, expand) for graph in graphs)
    plans = [closed_like(first, second), closed_like(second, first)]
    pairs = beside.pairs(plans[0], plans[1])
    places = [box_ids(one, prefix) for one, prefix in zip(plans, "ab", strict=True)]
    level = [(places[0][one.step], places[1][other.step]) for one, other in pairs]
    known = {box for pair in level for box in pair}
    alphabet = _alphabet()
    letters = [_letters(plans[0], alphabet)]
    letters.append(_letters(plans[1], alphabet, _inherited(pairs, letters[0])))
    sides = []
    for one, prefix, name, letter, place in zip(plans, "ab", names, letters, places, strict=True):
        sides.append(_side(one, prefix, name, letter, frozenset(place.values()) - known))
    level += [*_ports("i", *(list(graph.inputs) for graph in graphs))]
    level += [*_ports("o", *(list(graph.outputs) for graph in graphs))]
    return Picture(tuple(sides), tuple(level))


def _side(found: Plan, prefix: str, name: str, letters: Mapping[Kind, str], alone: frozenset[str]) -> Side:
    graph = found.flow.graph
    size = sum({tensor.buffer: tensor.bytes for tensor in graph.tensors if tensor.constant}.values())
    about = f"{graph.format}, {len(graph.nodes)} operators, {size / 1e6:.1f} MB of constants"
    kinds = tuple(
        kind_panel(found, f"{prefix}k{index}", block, letters[kind])
        for index, (kind, block) in enumerate(found.closed.items())
    )
    return Side(panel(found, prefix, (name, about), letters, alone), kinds)


def _ports(letter: str, first: list[str], second: list[str]) -> Iterator[tuple[str, str]]:
    """Yield inputs or outputs that correspond: by name, or by place when there are as many and no name is the same."""
    by_place = len(first) == len(second) and not set(first) & set(second)
    for index, name in enumerate(first):
        if by_place or name in second:
            yield f"a{letter}{index}", f"b{letter}{index if by_place else second.index(name)}"


def _letters(found: Plan, alphabet: Iterator[str], given: Mapping[Kind, str] | None = None) -> dict[Kind, str]:
    """Return closed kinds of blocks with their letters; ``given`` ones keep what they have."""
    letters = dict(given or {})
    for kind in found.closed:
        if kind not in letters:
            letters[kind] = next(alphabet)
    return letters


def _inherited(pairs: Sequence[tuple[beside.Unit, beside.Unit]], letters: Mapping[Kind, str]) -> dict[Kind, str]:
    """Return kinds of the second graph that go by the letter of what they were made from, primed: A′."""
    found: dict[Kind, str] = {}
    for one, other in pairs:
        letter = letters.get(one.closed.kind) if one.closed is not None else None
        if letter is None or other.closed is None or len(other.closed.blocks[0].steps) < 2:
            continue
        if f"{letter}′" not in found.values():
            found.setdefault(other.closed.kind, f"{letter}′")
    return found


def _alphabet() -> Iterator[str]:
    """Yield A … Z, A1 … Z1, A2 …"""
    turn = 0
    while True:
        yield from (f"{letter}{turn or ''}" for letter in ascii_uppercase)
        turn += 1
