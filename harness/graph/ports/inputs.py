"""Both models run on the same random values, for each way in which their inputs may correspond."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.graph.model import Graph, Tensor
from harness.graph.ports.pairs import Model, Pair, Values, port
from harness.graph.ports.shapes import difference, same, turn, turned

_ASSIGNMENTS = 24
_SIZE = 32
"""What a free dimension is set to when neither model says more; a free batch is 1."""


def assignments(before: Graph, after: Graph) -> list[dict[str, str]]:
    """Return the ways in which inputs may correspond by shape and dtype, equal names first."""
    names = list(before.inputs)
    others = sorted(after.inputs, key=lambda name: names.index(name) if name in names else len(names))
    if not names or len(names) != len(others):
        return []
    ways = (dict(zip(names, way, strict=True)) for way in permutations(others))
    fitting = (way for way in ways if all(_fit(port(before, a), port(after, b)) for a, b in way.items()))
    return list(islice(fitting, _ASSIGNMENTS))


def _fit(one: Tensor, other: Tensor) -> bool:
    """Return whether two inputs can take the same values."""
    real = [tensor.dtype.startswith(("float", "bfloat")) or bool(tensor.scales) for tensor in (one, other)]
    if real[0] != real[1]:
        return False
    return one.shape is None or other.shape is None or same(one.shape, other.shape) or turned(one.shape, other.shape)


def random_values(one: Tensor, other: Tensor, random: np.random.Generator) -> NDArray[Any]:
    """Return random values that both inputs take, in the shape of the first."""
    known = other.shape if one.shape is None or (other.shape and not turned(one.shape, other.shape)) else None
    shape = []
    for place, size in enumerate(one.shape if one.shape is not None else other.shape or ()):
        wanted = known[place] if size < 0 and known is not None else size
        shape.append(wanted if wanted >= 0 else 1 if place == 0 else _SIZE)
    if one.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if one.dtype.startswith(("int", "uint")) and not one.scales:
        return random.integers(0, 9, shape).astype(one.dtype)
    return random.uniform(-1, 1, shape).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Tried:
    """What both models gave for one way."""

    assignment: dict[str, str]
    before: Values
    after: Values
    score: float
    """Mean over outputs of the difference to the nearest output."""


def tried(before: Model, after: Model, ways: list[dict[str, str]], seed: int, remarks: list[str]) -> list[Tried]:
    """Run both models, the second one for each way to assign its inputs; nothing when one does not run."""
    if before.run is None or after.run is None:
        which = before if before.run is None else after
        remarks.append(f"values were not compared: nothing here runs {which.graph.format}")
        return []
    random = np.random.default_rng(seed)
    ports = {a: (port(before.graph, a), port(after.graph, ways[0][a])) for a in ways[0]}
    given = {name: random_values(*pair, random) for name, pair in ports.items()}
    try:
        wanted = before.run(given)
        found = []
        for way in ways:
            turned = {b: turn(given[a], port(after.graph, b).shape) for a, b in way.items()}
            got = after.run(turned)
            found.append(Tried(way, wanted, got, _score(wanted, got)))
    except Exception as error:
        remarks.append(f"values were not compared: {' '.join(str(error).split())[:200] or type(error).__name__}")
        return []
    return found


def _score(one: Values, other: Values) -> float:
    nearest = [min((difference(a, b) for b in other.values()), default=np.inf) for a in one.values()]
    return float(np.mean(np.minimum(nearest, 1.0))) if nearest else 1.0


def input_pairs(before: Graph, after: Graph, way: dict[str, str], *, doubt: bool) -> list[Pair]:
    """Return the pairs of inputs of the assignment whose outputs agree best."""
    found = []
    for a, b in way.items():
        shapes = port(before, a).shape, port(after, b).shape
        moved = shapes[0] is not None and shapes[1] is not None and turned(shapes[0], shapes[1])
        remarks = ("ambiguous: other orders of the inputs give the same values",) if doubt else ()
        by: Literal["only", "values"] = "only" if len(way) == 1 else "values"
        found.append(Pair(a, b, by, transposed=moved, remarks=remarks))
    return found
