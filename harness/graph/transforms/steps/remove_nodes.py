"""Take nodes of some operators out; what read them reads their first input. For ``Identity``, ``CheckNumerics`` …"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.graph.graph_def import FLOW, source
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work, hand_on_control


@dataclass
class Options:
    """``op`` may come several times; a node with more data inputs than ``max_inputs`` stays."""

    op: list[str]
    max_inputs: int = field(default=1, metadata={"min": 1})


def apply(work: Work, options: Options) -> Outcome:
    """Take nodes out one by one; who read them waits for what they waited for. Inputs and outputs stay."""
    wanted = {node.name: node for node in work.nodes.values() if node.op in options.op}
    stay = {name: why for name, node in wanted.items() if (why := _stays(work, node, options.max_inputs))}
    gone = {name: node for name, node in wanted.items() if name not in stay}
    anchors = _anchors(work, gone)
    stay |= dict.fromkeys(anchors, "is what others wait for to run in their branch")
    gone = {name: node for name, node in gone.items() if name not in anchors}
    hand_on_control(work.nodes.values(), gone)
    work.redirect({name: _behind(gone, name) for name in gone})
    work.keep(node for name, node in work.nodes.items() if name not in gone)
    absent = [op for op in options.op if op not in {node.op for node in wanted.values()}]
    notes = [f"the graph has no {op}" for op in dict.fromkeys(absent)]
    notes += [f"'{name}' {why} and stays" for name, why in stay.items()]
    return Outcome(len(gone), "nodes removed", tuple(notes))


def _stays(work: Work, node: Any, most: int) -> str | None:
    """Say why a node is not taken out."""
    if node.name in work.ports:
        return "is an input or output"
    count = len(_data(node))
    return None if 1 <= count <= most else f"has {count} data inputs"


def _anchors(work: Work, gone: dict[str, Any]) -> set[str]:
    """Return those that others wait for and that pass on one side of a branch or loop: without them both would run."""
    waited = {read[1:] for node in work.nodes.values() for read in node.input if read.startswith("^")}
    return {name for name in waited & gone.keys() if work.nodes[source(_behind(gone, name))].op in FLOW}


def _data(node: Any) -> list[str]:
    return [read for read in node.input if not read.startswith("^")]


def _behind(gone: dict[str, Any], name: str) -> str:
    """Return the tensor that a node which goes passes on."""
    read = _data(gone[name])[0]
    while source(read) in gone:
        read = _data(gone[source(read)])[0]
    return read
