"""A number that goes over to the other factor of a product: a · (c · b) is (c · a) · b.

TensorFlow's Grappler does it to hard-swish, x · (relu6(x + 3) · 1/6), on the way to TensorFlow.js.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.graph.diff import affine
from harness.graph.diff.fates import Fate, Fates
from harness.graph.diff.skeleton import Edge, Skeleton

PRODUCT = "Mul"
EdgePair = tuple[Edge, Edge]
"""The same operand in the first graph and in the second."""
_WHY = "the same number, with the other factor of the product behind it"


def moved(sides: tuple[Skeleton, Skeleton], pairs: Sequence[EdgePair], fates: Fates) -> list[EdgePair]:
    """Note the fate of numbers that are with another operand in the second graph; return the paths without them.

    ``pairs``: the operands of a product of two computed values.
    """
    found = [[_numbers(sides[side], pair[side]) for side in (0, 1)] for pair in pairs]
    sizes = [[_product(numbers) for numbers in pair] for pair in found]
    if not all(any(len(pair[side]) for pair in found) for side in (0, 1)):
        return list(pairs)
    apart = [not affine.close(np.asarray(a), np.asarray(b)) for a, b in sizes]
    totals = [float(np.prod([pair[side] for pair in sizes])) for side in (0, 1)]
    if not any(apart) or not affine.close(np.asarray(totals[0]), np.asarray(totals[1])):
        return list(pairs)
    kept = []
    for pair, numbers, differs in zip(pairs, found, apart, strict=True):
        if differs:
            for side in (0, 1):
                fates.puts(side, list(numbers[side]), lambda _: Fate("rewritten", f"{PRODUCT} → {PRODUCT}", _WHY))
        kept.append((_without(pair[0], numbers[0]), _without(pair[1], numbers[1])) if differs else pair)
    return kept


def _numbers(side: Skeleton, edge: Edge) -> dict[int, float]:
    """Return node → number of the products with one number at the end of a path."""
    found: dict[int, float] = {}
    for number in reversed(edge.path):
        if side.roles[number] == "wire":
            continue
        if side.roles[number] != "affine":
            break
        does = affine.of(side.legal, side.legal.graph.nodes[number])
        if does.shifts or does.scale is None or not does.scale.size or np.ptp(does.scale):
            break
        found[number] = float(does.scale.flat[0])
    return found


def _product(numbers: dict[int, float]) -> float:
    return float(np.prod(list(numbers.values())))


def _without(edge: Edge, nodes: dict[int, float]) -> Edge:
    return replace(edge, path=tuple(number for number in edge.path if number not in nodes))
