"""Round the numbers of large float constants to few different ones: the file stays as big and compresses well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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
    missed = [node.name for node in found if not _round(work, node, options.num_steps)]
    told = [f"'{name}' has values that are not finite and stays" for name in missed]
    if not found:
        told.append(f"no float32 constant has {SMALLEST} or more elements")
    return Outcome(len(found) - len(missed), "constants rounded", missed=tuple(told))


def _round(work: Work, node: Any, steps: int) -> bool:
    """Round a constant in place; not where a value is infinite."""
    value = values.constant(work, node.name)
    if value is None or not np.isfinite(value).all():
        return False
    rounded = values.const_node(node.name, round_to(value, steps))
    node.attr["value"].tensor.CopyFrom(rounded.attr["value"].tensor)
    return True


def round_to(value: Array, steps: int) -> Array:
    """Return an array of finite numbers with at most ``steps`` different values, each at most half a step off."""
    low, high = float(value.min()), float(value.max())
    if high == low:
        return value
    step = (high - low) / (steps - 1)
    rounded: Array = (np.rint((value.astype(np.float64) - low) / step) * step + low).astype(value.dtype)
    return rounded
