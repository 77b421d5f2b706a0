"""What became of a node, and why: the words of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["kept", "fused", "split", "folded", "rewritten", "removed", "added", "unexplained"]
"""
``kept``: it is there as it was;
``fused``: it is there, as a part of an operator that does several things;
``split``: it was a part of such an operator and stands alone now;
``folded``: its numbers went into those of a neighbour;
``rewritten``: other operators do the same;
``removed``, ``added``: it does nothing to the values when a model is used, or moves them only;
``unexplained``: none of these.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one node of the first graph, or where one of the second comes from."""

    kind: Kind
    what: str
    """Legal names: ``BatchNorm → Conv2D``."""
    why: str
    """Empty for kept."""


class Fates:
    """The fates of all nodes of both graphs. A node on several paths has the worst."""

    def __init__(self) -> None:
        self.of: tuple[dict[int, Fate], dict[int, Fate]] = ({}, {})
        self.kept: list[tuple[int, int]] = []
        """Pairs of nodes that correspond."""

    def keep(self, a: int, b: int, op: str) -> None:
        """Note that node ``b`` is what node ``a`` was."""
        if a not in self.of[0] and b not in self.of[1]:
            self.kept.append((a, b))
        self.put(0, a, Fate("kept", op, ""))
        self.put(1, b, Fate("kept", op, ""))

    def put(self, side: int, node: int, fate: Fate) -> None:
        """Note a fate; that it is unexplained outweighs what was noted before."""
        if node not in self.of[side] or fate.kind == "unexplained":
            self.of[side][node] = fate

    def puts(self, side: int, nodes: list[int], fate: Callable[[int], Fate]) -> None:
        """Note a fate for each of ``nodes``."""
        for node in nodes:
            self.put(side, node, fate(node))
