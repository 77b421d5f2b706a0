"""Give an operator another name, such as that of a kernel of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import did_you_mean
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """``old_op_name`` becomes ``new_op_name``."""

    old_op_name: str
    new_op_name: str


def apply(work: Work, options: Options) -> Outcome:
    """Rename in every node."""
    found = [node for node in work.nodes.values() if node.op == options.old_op_name]
    missed: tuple[str, ...] = ()
    if not found:
        hint = did_you_mean(options.old_op_name, {node.op for node in work.nodes.values()})
        missed = (f"the graph has no {options.old_op_name}; {hint}",)
    for node in found:
        node.op = options.new_op_name
    return Outcome(len(found), "nodes renamed", missed=missed)
