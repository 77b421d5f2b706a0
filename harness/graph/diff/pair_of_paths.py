"""Two paths between cores that correspond, one in each graph."""

from __future__ import annotations

from dataclasses import dataclass

from harness.graph.diff import affine
from harness.graph.diff.affine import Affine
from harness.graph.diff.fates import Fate
from harness.graph.diff.skeleton import Edge, Skeleton
from harness.graph.model import Node


@dataclass(frozen=True, slots=True)
class Paths:
    """Two paths between cores that correspond: sides 0 and 1."""

    sides: tuple[Skeleton, Skeleton]
    edges: tuple[Edge, Edge]
    targets: tuple[int, int]

    def atoms(self, side: int, role: str) -> list[int]:
        """Return the atoms of a role on a side's path, in order."""
        roles = self.sides[side].roles
        return [node for node in self.edges[side].path if roles[node] == role]

    def node(self, side: int, number: int) -> Node:
        """Return a node of a side's legal graph."""
        return self.sides[side].legal.graph.nodes[number]

    def does(self, side: int, nodes: list[int]) -> Affine:
        """Return what affine nodes do together."""
        found = affine.NOTHING
        for number in nodes:
            found = found.then(affine.of(self.sides[side].legal, self.node(side, number)))
        return found

    def source_product(self) -> str | None:
        """Return the operator in front of both paths when it is a product with a constant kernel."""
        return self._product([edge.source[1] if edge.source[0] == "core" else -1 for edge in self.edges])

    def target_product(self) -> str | None:
        """Return the operator behind both paths when it is a product with a constant kernel."""
        return self._product(list(self.targets))

    def _product(self, ends: list[int]) -> str | None:
        products = [side.is_product(number) for side, number in zip(self.sides, ends, strict=True)]
        return self.sides[0].op(ends[0]) if all(products) else None


def unexplained(paths: Paths, side: int, number: int, why: str) -> Fate:
    """Return the fate of an atom that nothing explains."""
    return Fate("unexplained", paths.node(side, number).op, why)


def gone(side: int, op: str, why: str) -> Fate:
    """Return the fate of an atom that only one side has, and that changes nothing."""
    return Fate("removed" if side == 0 else "added", op, why)
