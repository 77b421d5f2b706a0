"""Take an attribute out of all nodes, or of those of one operator: ``_class``, ``_output_shapes`` …"""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """``op_name`` ``*``: every operator."""

    attribute_name: str
    op_name: str = "*"


def apply(work: Work, options: Options) -> Outcome:
    """Remove from every node that has it."""
    nodes = [node for node in work.nodes.values() if options.op_name in ("*", node.op)]
    found = [node for node in nodes if options.attribute_name in node.attr]
    for node in found:
        del node.attr[options.attribute_name]
    of = "node" if options.op_name == "*" else f"{options.op_name} node"
    missed = () if found else (f"no {of} has '{options.attribute_name}'",)
    return Outcome(len(found), "attributes removed", missed=missed)
