"""Give nodes short names that say nothing; inputs and outputs keep theirs."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass

from harness.graph.graph_def import rename
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """Nothing to set."""


def apply(work: Work, options: Options) -> Outcome:  # noqa: ARG001 - the contract of a transform
    """Rename in the order of the file: A, B … Z, AA …"""
    free = (name for name in _short() if name not in work.ports)
    new = {name: next(free) for name in work.nodes if name not in work.ports}
    rename(work.nodes.values(), new)
    work.keep(list(work.nodes.values()))
    notes = () if new else ("the graph has only inputs and outputs",)
    return Outcome(sum(old != short for old, short in new.items()), "nodes renamed", notes)


def _short() -> Iterator[str]:
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=length))
