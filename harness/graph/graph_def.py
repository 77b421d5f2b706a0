"""Frozen graphs (``.pb``) as TensorFlow's own ``GraphDef``: read a file, and find what goes in and comes out.

A ``.pb`` has no signature. Its inputs are its placeholders, its outputs the nodes that nobody reads; files that the
harness writes have no other such nodes and call both by their signature names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from harness.errors import StageFailed
from harness.graph import wire
from harness.graph.mapped import mapped
from harness.graph.tensorflow_constants import GRAPH_DEF
from harness.graph.wire import Slim

_HEAD = 512
"""Bytes that tell what a file is."""
TEXT = re.compile(rb"\s*(#[^\n]*\n\s*)*(node|versions|library)\s*:?\s*\{")
"""How a graph as text begins."""
INPUTS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
FLOW = ("Enter", "Exit", "Switch", "Merge", "NextIteration", "LoopCond",
        "RefEnter", "RefExit", "RefSwitch", "RefMerge", "RefNextIteration")  # fmt: skip
"""Branches and loops of TensorFlow 1."""
_NO_RESULT = (*INPUTS, "Const", "NoOp", "Assert")
_OTHER_FILES = {b"TFL3": "a TFLite file", b"\x89HDF": "an HDF5 file", b"PK\x03\x04": "an archive, such as .keras",
                b"{": "JSON or text"}  # fmt: skip


def load(path: Path) -> Any:
    """Return the ``GraphDef`` in a file, binary or text (``.pbtxt``).

    Raises:
        StageFailed: ``broken_file``: empty, cut off, or of another format.
    """
    return _load(path, slim=False)[0]


def load_slim(path: Path) -> tuple[Any, Slim]:
    """Return the ``GraphDef`` in a file without its large constants, and where those are. Raises as ``load``."""
    return _load(path, slim=True)


def _load(path: Path, *, slim: bool) -> tuple[Any, Slim]:
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.framework import graph_pb2

    try:
        content = mapped(path)
    except OSError as error:
        raise StageFailed(f"{path.name}: {error.strerror or error}", "broken_file") from error
    graph_def, read = graph_pb2.GraphDef(), Slim(b"", content, {})
    try:
        if TEXT.match(bytes(content[:_HEAD])):
            text_format.Parse(bytes(content), graph_def)
        else:
            wire.field_numbers(content)
            read = wire.slim(content, GRAPH_DEF) if slim else Slim(bytes(content), content, {})
            graph_def.ParseFromString(read.message)
        check(graph_def)
    except (DecodeError, ValueError, text_format.ParseError) as error:
        hint = _looks_like(bytes(content[:_HEAD])) or error
        raise StageFailed(f"{path.name}: no frozen graph: {hint}", "broken_file") from error
    return graph_def, read


def _looks_like(content: bytes) -> str | None:
    """Say what a file that is no graph seems to be."""
    if not content:
        return "the file is empty"
    for mark, name in _OTHER_FILES.items():
        if mark in (content[: len(mark)], content[4 : 4 + len(mark)]):
            return f"it looks like {name}"
    return None


def check(graph_def: Any) -> None:
    """Raise ``ValueError`` unless every node has a name and an operator, all it reads is there, and nothing waits
    for itself (loops of TensorFlow 1 go through ``NextIteration``)."""
    names = {node.name: node for node in graph_def.node}
    if not names:
        raise ValueError("there is no node in it")
    if len(names) != len(graph_def.node):
        raise ValueError("two nodes have the same name")
    for node in graph_def.node:
        if not node.name or not node.op:
            raise ValueError("a node has no name or no operator")
        for read in node.input:
            if source(read) not in names:
                raise ValueError(f"'{node.name}' reads '{read}', which is not there; is the file whole?")
    order(graph_def.node)


def order(nodes: Any) -> list[Any]:
    """Return nodes so that each comes after what it reads. Raises ``ValueError`` for a cycle."""
    by_name = {node.name: node for node in nodes}
    later = {node.name for node in nodes if node.op in ("NextIteration", "RefNextIteration")}
    needs = {node.name: [s for s in map(source, node.input) if s not in later] for node in nodes}
    try:
        return [by_name[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        raise ValueError(f"a cycle: {' → '.join(error.args[1][:8])}") from error


def source(read: str) -> str:
    """Return the node that an input of a node, ``name``, ``name:1`` or ``^name``, comes from."""
    return read.removeprefix("^").partition(":")[0]


def inputs(graph_def: Any) -> list[str]:
    """Return the names of the placeholders."""
    return [node.name for node in graph_def.node if node.op in INPUTS]


def outputs(graph_def: Any) -> list[str]:
    """Return the names of the nodes that nobody reads, without those that give no result."""
    read = {source(one) for node in graph_def.node for one in node.input}
    return [node.name for node in graph_def.node if node.name not in read and node.op not in _NO_RESULT]


def dtype(node: Any, port: int = 0) -> int:
    """Return TensorFlow's number of the dtype of an output. Raises ``ValueError`` where the operator is not known."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    kinds: list[int] = []
    for argument in definition.output_arg if definition is not None else ():
        if argument.type_list_attr:
            kinds += node.attr[argument.type_list_attr].list.type
        else:
            count = node.attr[argument.number_attr].i if argument.number_attr else 1
            kinds += [argument.type or node.attr[argument.type_attr].type] * count
    if port >= len(kinds):
        raise ValueError(f"nothing is known of output {port} of '{node.name}' ({node.op})")
    return kinds[port]


def is_stateful(node: Any) -> bool | None:
    """Return whether a node may give another result each time (random numbers, variables); None: not known here."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    return None if definition is None else bool(definition.is_stateful)


def renamed(read: str, new: Mapping[str, str]) -> str:
    """Return what a node reads (``name``, ``name:1``, ``^name``) under its new name."""
    mark = "^" if read.startswith("^") else ""
    name, colon, port = read.removeprefix("^").partition(":")
    return f"{mark}{new.get(name, name)}{colon}{port}"


def rename(nodes: Iterable[Any], new: Mapping[str, str]) -> None:
    """Rename nodes in place, old name → new name, and all that refers to them."""
    for node in nodes:
        node.name = new.get(node.name, node.name)
        node.input[:] = [renamed(read, new) for read in node.input]
        node.attr.pop("_class", None)  # placement beside a node by its name; means nothing once variables are gone
