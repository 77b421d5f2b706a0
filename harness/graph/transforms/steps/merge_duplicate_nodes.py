"""Make one of nodes that compute the same of the same: constants with equal values, repeated arithmetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from harness.graph.graph_def import INPUTS, is_stateful, order, renamed
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Merge in the order of computation, so that what reads merged nodes is merged too; outputs and inputs stay."""
    first: dict[str, str] = {}
    new: dict[str, str] = {}
    for node in _ports_first(work):
        node.input[:] = [renamed(read, new) for read in node.input]
        if node.op in INPUTS or is_stateful(node) is not False:
            continue
        same = first.setdefault(_digest(node), node.name)
        if same != node.name and node.name not in work.ports:
            new[node.name] = same
    for node in work.nodes.values():
        node.input[:] = [renamed(read, new) for read in node.input]
    work.keep([node for name, node in work.nodes.items() if name not in new])
    return Outcome(len(new), "nodes merged", () if new else ("no two nodes compute the same",))


def _ports_first(work: Work) -> list[Any]:
    """Return nodes in the order of computation; of equals, one that must keep its name comes first."""
    nodes = sorted(work.nodes.values(), key=lambda node: node.name not in work.ports)
    return order(nodes)


def _digest(node: Any) -> str:
    """Return a hash of all that decides what a node computes."""
    plain = type(node)()
    plain.CopyFrom(node)
    plain.name = ""
    plain.attr.pop("_output_shapes", None)
    return hashlib.sha256(plain.SerializeToString(deterministic=True)).hexdigest()
