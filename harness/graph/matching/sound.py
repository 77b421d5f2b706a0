"""Whether a pattern can be looked for at all."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from harness.errors import UserError, did_you_mean
from harness.graph.matching.pattern import NODES, OPTIONAL, Pattern


def check(pattern: Pattern, place: str) -> None:
    """Raise ``UserError`` unless the pattern is small, hangs together, has no cycle, and speaks of what it has."""
    names = [node.name for node in pattern.nodes]
    if not 0 < len(names) <= NODES:
        raise UserError(f"{place}: nodes: {len(names)} of them; allowed: 1 to {NODES}")
    optional = [node for node in pattern.nodes if node.optional]
    if len(optional) > OPTIONAL:
        raise UserError(f"{place}: nodes: {len(optional)} are optional; allowed: up to {OPTIONAL}")
    for node in pattern.nodes:
        if not node.name.isidentifier():
            raise UserError(f"{place}: nodes: '{node.name}' is no name; allowed: letters, digits and _")
        if node.optional and (not node.inputs or node.inputs[0] is None):
            raise UserError(f"{place}: nodes.{node.name}: it is optional, but has no first input to go on with")
    if all(node.optional for node in pattern.nodes):
        raise UserError(f"{place}: nodes: all are optional, so nothing would be found everywhere")
    _no_cycle(pattern, place)
    _hangs_together(pattern, place)
    _names_exist(pattern, place)


def outside(pattern: Pattern) -> list[str]:
    """Return the names of the values that come from outside."""
    names = {node.name for node in pattern.nodes}
    read = [ref.name for node in pattern.nodes for ref in node.inputs if ref is not None]
    return list(dict.fromkeys(name for name in read if name not in names))


def _no_cycle(pattern: Pattern, place: str) -> None:
    needs = {node.name: {ref.name for ref in node.inputs if ref is not None} for node in pattern.nodes}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise UserError(f"{place}: nodes: a cycle: {' → '.join(reversed(error.args[1]))}") from error


def _hangs_together(pattern: Pattern, place: str) -> None:
    reached = {pattern.nodes[0].name}
    links = [{node.name, *(ref.name for ref in node.inputs if ref is not None)} for node in pattern.nodes]
    grown = True
    while grown:
        near = [link for link in links if link & reached and not link <= reached]
        reached.update(*near)
        grown = bool(near)
    lost = [node.name for node in pattern.nodes if node.name not in reached]
    if lost:
        raise UserError(f"{place}: nodes: {', '.join(lost)} and {pattern.nodes[0].name} have nothing to do with each "
                        "other; allowed: one pattern a file, its nodes joined by what they read")  # fmt: skip


def _names_exist(pattern: Pattern, place: str) -> None:
    free, names = outside(pattern), [node.name for node in pattern.nodes]
    for name in pattern.values:
        if name not in free:
            raise UserError(f"{place}: values: no node reads '{name}' from outside; {did_you_mean(name, free)}")
    for name in pattern.outputs:
        if name not in names:
            raise UserError(f"{place}: outputs: there is no node '{name}'; {did_you_mean(name, names)}")
    if not pattern.outputs:
        raise UserError(f"{place}: outputs: nothing goes on; allowed: names of nodes")
    for name in pattern.rewrite.inputs if pattern.rewrite else ():
        if name not in free:
            raise UserError(f"{place}: rewrite: no node reads '{name}' from outside; {did_you_mean(name, free)}")
    if pattern.rewrite and len(pattern.outputs) != 1:
        raise UserError(f"{place}: rewrite: {len(pattern.outputs)} nodes' results go on; allowed: one")
