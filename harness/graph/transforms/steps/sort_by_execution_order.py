"""Put every node after what it reads, for loaders that run a file from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.graph_def import order, source
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Sort; an order that is right already stays."""
    place = {name: number for number, name in enumerate(work.nodes)}
    early = sum(any(place[source(read)] > place[node.name] for read in node.input) for node in work.nodes.values())
    if not early:
        return Outcome(0, "nodes stood before what they read", ("the nodes are in order",))
    work.keep(order(list(work.nodes.values())))
    return Outcome(early, "nodes stood before what they read")
