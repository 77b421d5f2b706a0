"""Take nodes of some operators out; what read them reads their first input. For ``Identity``, ``CheckNumerics`` …"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.graph.graph_def import source
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work, hand_on_control


@dataclass
class Options:
    """``op`` may come several times; a node with more data inputs than ``max_inputs`` stays."""

    op: list[str]
    max_inputs: int = field(default=1, metadata={"min": 1})


def apply(work: Work, options: Options) -> Outcome:
    """Take nodes out one by one; who read them waits for what they waited for. Inputs and outputs stay."""
    wanted = [node for node in work.nodes.values() if node.op in options.op]
    kept = [node for node in wanted if node.name in work.ports]
    wide = [node for node in wanted if node not in kept and not 1 <= len(_data(node)) <= options.max_inputs]
    gone = {node.name: node for node in wanted if node not in kept and node not in wide}
    hand_on_control(work.nodes.values(), gone)
    work.redirect({name: _behind(gone, name) for name in gone})
    work.keep(node for name, node in work.nodes.items() if name not in gone)
    absent = [op for op in options.op if op not in {node.op for node in wanted}]
    notes = [f"the graph has no {op}" for op in dict.fromkeys(absent)]
    notes += [f"'{node.name}' is an input or output and stays" for node in kept]
    notes += [f"'{node.name}' has {len(_data(node))} data inputs and stays" for node in wide]
    return Outcome(len(gone), "nodes removed", tuple(notes))


def _data(node: Any) -> list[str]:
    return [read for read in node.input if not read.startswith("^")]


def _behind(gone: dict[str, Any], name: str) -> str:
    """Return the tensor that a node which goes passes on."""
    read = _data(gone[name])[0]
    while source(read) in gone:
        read = _data(gone[source(read)])[0]
    return read
