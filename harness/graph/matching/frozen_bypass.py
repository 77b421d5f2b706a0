"""Take matches out of a real frozen graph: who read their result reads the value before them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness.errors import UserError
from harness.graph import graph_def as files
from harness.graph.matching.rewrite import apart, plan, result, way
from harness.graph.matching.search import Match
from harness.graph.matching.view import followed
from harness.graph.model import Graph


def bypassed(graph_def: Any, graph: Graph, matches: Sequence[Match]) -> Any:
    """Return a copy of ``graph_def`` without the matches, which were found in ``graph``, what ``frozen`` read of it.

    The graph's outputs keep their names. Nodes that somebody else still needs stay.

    Raises:
        UserError: a pattern says something else than ``bypass``, or a match lies within a function.
    """
    chosen = apart(matches)
    if any(match.pattern.rewrite is None or plan(match).verb != "bypass" for match in chosen):
        raise UserError(f"pattern '{chosen[0].pattern.name}': a frozen graph is rewritten by bypass only; "
                        "allowed in its file: rewrite: remove, or rewrite: {bypass: VALUE}")  # fmt: skip
    ways = {result(graph, match): way(match) for match in chosen}
    found = type(graph_def)()
    found.CopyFrom(graph_def)
    nodes = {node.name: node for node in found.node}
    gone = {graph.nodes[position].name for match in chosen for position in match.positions}
    if lost := sorted(gone - set(nodes)):
        raise UserError(f"'{lost[0]}' is inside a function of the graph, where nothing is rewritten; inline it first")
    outputs = set(files.outputs(found))
    for number in ways:
        _redirect(found, _read_as(graph, number), _read_as(graph, followed(ways, number)), gone, outputs)
    _prune(found, gone, outputs)
    return found


def _read_as(graph: Graph, number: int) -> str:
    """Return how a GraphDef calls a tensor: ``name``, or ``name:1`` for a second output."""
    node = graph.producers.get(number)
    name, port = graph.tensors[number].name, 0
    if node is not None:
        name, port = node.name, node.outputs.index(number)
    return f"{name}:{port}" if port else name.removesuffix(":0")


def _redirect(graph_def: Any, old: str, new: str, gone: Collection[str], outputs: Collection[str]) -> None:
    """Let all nodes that read ``old`` read ``new``; an output of the graph becomes a plain copy."""
    for node in graph_def.node:
        if node.name == files.source(old) and node.name in outputs:
            _copy(graph_def, node, new)
        elif node.name not in gone or node.name in outputs:
            node.input[:] = [new if _same(read, old) else read for read in node.input]


def _copy(graph_def: Any, node: Any, read: str) -> None:
    """Make a node hand over ``read``."""
    maker = next(one for one in graph_def.node if one.name == files.source(read))
    dtype = files.dtype(maker, int(read.partition(":")[2] or 0))
    name, device = node.name, node.device
    node.Clear()
    node.name, node.op, node.device = name, "Identity", device
    node.input.append(read)
    node.attr["T"].type = dtype


def _same(read: str, wanted: str) -> bool:
    return read.removesuffix(":0") == wanted


def _prune(graph_def: Any, gone: Collection[str], outputs: Collection[str]) -> None:
    """Take out nodes that nobody reads any more, ``gone`` first, then what was there for them only."""
    loose = set(gone) - set(outputs)
    for node in graph_def.node:  # to wait for a node that goes is to wait for nothing
        kept = [read for read in node.input if not (read.startswith("^") and files.source(read) in loose)]
        node.input[:] = kept
    while True:
        read = {files.source(one) for node in graph_def.node for one in node.input}
        idle = [node for node in graph_def.node if node.name in loose and node.name not in read]
        if not idle:
            return
        for node in idle:
            loose.update(source for source in map(files.source, node.input) if source not in outputs)
            graph_def.node.remove(node)
