"""Round the numbers of large float constants to few different ones: the file stays as big and compresses well."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.graph.transforms import values
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.values import Array
from harness.graph.transforms.work import Work

SMALLEST = 16
"""Elements of the smallest constant that is rounded."""


@dataclass
class Options:
    """``num_steps``: different values in a constant, spread evenly from its smallest to its largest."""

    num_steps: int = field(default=256, metadata={"min": 2})


def apply(work: Work, options: Options) -> Outcome:
    """Round every float32 constant of 16 or more elements."""
    found = values.float_constants(work, SMALLEST)
    for node in found:
        rounded = round_to(values.constant(work, node.name), options.num_steps)
        node.CopyFrom(values.const_node(node.name, rounded))
    notes = () if found else (f"no float32 constant has {SMALLEST} or more elements",)
    return Outcome(len(found), "constants rounded", notes)


def round_to(value: Array | None, steps: int) -> Array:
    """Return an array with at most ``steps`` different values, each at most half a step off."""
    assert value is not None
    low, high = float(value.min()), float(value.max())
    if high == low:
        return value
    step = (high - low) / (steps - 1)
    rounded: Array = (np.rint((value.astype(np.float64) - low) / step) * step + low).astype(value.dtype)
    return rounded
