"""Two graphs on the same random inputs: how far apart are their outputs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.graph.graph_def import source
from harness.graph.transforms import values
from harness.graph.transforms.values import Array


@dataclass(frozen=True, slots=True)
class Difference:
    """One output of both graphs."""

    output: str
    worst: float
    """Largest absolute difference; infinite where only one is a number, or shapes differ."""
    reach: float
    """Largest absolute value before."""


def differences(
    before: Any, after: Any, inputs: Sequence[str], outputs: Sequence[str], seed: int
) -> tuple[Difference, ...]:
    """Return how far apart outputs are: normal numbers for float inputs, 0…126 for integers, 1 for any size.

    Raises:
        UserError: TensorFlow cannot run one of them, or an output is no number.
    """
    import tensorflow as tf

    nodes = {node.name: node for node in after.node}
    random = np.random.default_rng(seed)
    try:
        feeds = {name: _random(nodes[source(name)], random) for name in inputs if source(name) in nodes}
        first, second = values.run(before, feeds, outputs), values.run(after, feeds, outputs)
        pairs = zip(outputs, first, second, strict=True)
        return tuple(_difference(name, np.asarray(a), np.asarray(b)) for name, a, b in pairs)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UserError(f"--check: TensorFlow cannot run it: {' '.join(str(error).split())[:300]}") from error


def _difference(name: str, before: Array, after: Array) -> Difference:
    reach = float(np.abs(before.astype(np.float64)).max(initial=0))
    if before.shape != after.shape:
        return Difference(name, float("inf"), reach)
    a, b = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return Difference(name, float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0)), reach)


def _random(node: Any, random: np.random.Generator) -> Array:
    """Return a random value for a placeholder."""
    import tensorflow as tf

    shape = [max(1, dim.size) for dim in node.attr["shape"].shape.dim]
    dtype = tf.as_dtype(node.attr["dtype"].type)
    made: Array = random.normal(size=shape) if dtype.is_floating else random.integers(0, 127, shape)
    return made.astype(dtype.as_numpy_dtype)
