"""A frozen graph while transforms change it, and what they ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.errors import UserError, did_you_mean
from harness.graph import graph_def as files
from harness.graph.graph_def import is_stateful, source


class Work:
    """Nodes by name, in the order of the file; a copy, so that the graph that was given stays as it is."""

    def __init__(self, given: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Copy ``given``. Raises ``UserError``: a port that does not exist, none at all, or an unsound graph."""
        try:
            files.check(given)
        except ValueError as error:
            raise UserError(f"the graph: {error}") from error
        self._rest = type(given)()
        self._rest.CopyFrom(given)
        self.nodes: dict[str, Any] = {node.name: node for node in self._rest.node}
        _require_inputs(self.nodes.values())
        self.inputs = tuple(source(name) for name in inputs)
        self.outputs = tuple(outputs)
        for kind, names, usual in (("input", inputs, files.inputs(given)), ("output", outputs, files.outputs(given))):
            for name in names:
                if source(name) not in self.nodes:
                    raise UserError(f"{kind} '{name}' does not exist in the graph; {did_you_mean(name, usual)}")
        if not outputs:
            raise UserError("no output is named; without one nothing of a graph is needed")

    @property
    def ports(self) -> frozenset[str]:
        """Names of the nodes that are inputs or outputs: they keep their names."""
        return frozenset((*self.inputs, *map(source, self.outputs)))

    def readers(self) -> dict[str, list[Any]]:
        """Return node name → the nodes that read it, once for each time."""
        found: dict[str, list[Any]] = {}
        for node in self.nodes.values():
            for read in node.input:
                found.setdefault(source(read), []).append(node)
        return found

    def readers_of(self, name: str) -> list[Any]:
        """Return the nodes that read one node."""
        return [node for node in self.nodes.values() if any(source(read) == name for read in node.input)]

    @property
    def functions(self) -> list[Any]:
        """Functions that nodes may call; transforms look into none of them."""
        return list(self._rest.library.function)

    def graph_def(self) -> Any:
        """Return the graph as it is now."""
        made = type(self._rest)(library=self._rest.library, versions=self._rest.versions)
        made.node.extend(self.nodes.values())
        return made

    def take(self, made: Any) -> None:
        """Go on with the nodes of ``made``."""
        self._rest = made
        self.nodes = {node.name: node for node in made.node}

    def keep(self, nodes: Iterable[Any]) -> None:
        """Go on with these nodes, in this order."""
        self.nodes = {node.name: node for node in nodes}

    def free(self, name: str) -> str:
        """Return ``name``, or where a node has it ``name_1``, ``name_2`` …"""
        found, count = name, 0
        while found in self.nodes:
            count += 1
            found = f"{name}_{count}"
        return found

    def add(self, node: Any, before: str) -> None:
        """Put a new node before another one."""
        nodes = list(self.nodes.values())
        place = list(self.nodes).index(before)
        self.keep([*nodes[:place], node, *nodes[place:]])

    def redirect(self, new: Mapping[str, str]) -> None:
        """Let what reads a tensor of ``new`` (``name`` or ``name:1``) read another one; control goes along."""
        for node in self.nodes.values():
            if any(source(read) in new or read in new for read in node.input):
                node.input[:] = _data_first([_redirected(read, new) for read in node.input])

    def drop_unread(self, names: Iterable[str]) -> int:
        """Take out those of ``names``, and the nodes behind them, whose results nobody reads; return how many.

        For nodes that only compute: one that only waits for such a node waits for what that has waited for.
        """
        count = Counter(source(read) for node in self.nodes.values() for read in node.input if read[0] != "^")
        open_names, gone = list(names), {}
        while open_names:
            name = open_names.pop()
            if name in self.nodes and not count[name] and name not in self.ports and not is_stateful(self.nodes[name]):
                gone[name] = self.nodes.pop(name)
                reads = [source(read) for read in gone[name].input if read[0] != "^"]
                count.subtract(reads)
                open_names += reads
        hand_on_control(self.nodes.values(), gone)
        return len(gone)


def hand_on_control(nodes: Iterable[Any], gone: Mapping[str, Any]) -> None:
    """Let each of ``nodes`` that waits for a removed node wait for all which that has read; and what reads one, for
    what that has waited for. Constants and placeholders are there from the start: nobody needs to wait for them."""
    kept_nodes = list(nodes)
    ready = {f"^{node.name}" for node in kept_nodes if node.op in ("Const", *files.INPUTS) and not node.input}
    for node in kept_nodes if gone else ():
        lost = [read for read in node.input if source(read) in gone]
        if lost:
            waits = [f"^{name}" for read in lost for name in _needed(gone, source(read), whole=read[0] == "^")]
            kept = [read for read in node.input if read[0] != "^" or source(read) not in gone]
            node.input[:] = _data_first([*kept, *(one for one in waits if one not in ready)])


def _needed(gone: Mapping[str, Any], name: str, *, whole: bool) -> list[str]:
    """Return the nodes, not in ``gone``, that a removed node waited for, itself or through other removed ones.

    ``whole``: also those whose values it has read.
    """
    found: dict[str, None] = {}
    open_names, seen = [name], {name}
    while open_names:
        node = gone[open_names.pop()]
        for read in node.input:
            if source(read) not in gone:
                found |= {source(read): None} if whole or read[0] == "^" else {}
            elif source(read) not in seen:
                seen.add(source(read))
                open_names.append(source(read))
    return list(found)


def _require_inputs(nodes: Iterable[Any]) -> None:
    """Raise ``UserError`` for a node that reads less than its operator needs, where that is known."""
    from tensorflow.python.framework import op_def_registry

    for node in nodes:
        definition = op_def_registry.get(node.op)
        single = (
            [one for one in definition.input_arg if not (one.number_attr or one.type_list_attr)] if definition else []
        )
        given = sum(not read.startswith("^") for read in node.input)
        if given < len(single):
            raise UserError(f"the graph: '{node.name}' ({node.op}) reads {given} tensors; it needs {len(single)}")


def _redirected(read: str, new: Mapping[str, str]) -> str:
    if read.startswith("^"):
        return f"^{source(new.get(read[1:], read))}"
    return new.get(read, new.get(read.removesuffix(":0"), read))


def _data_first(reads: list[str]) -> list[str]:
    """Return inputs with control behind data and each control once, as a node must have them."""
    data = [read for read in reads if not read.startswith("^")]
    return [*data, *dict.fromkeys(read for read in reads if read.startswith("^"))]
