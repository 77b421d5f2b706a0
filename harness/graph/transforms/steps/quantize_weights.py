"""Store large float constants in 8 bits, with a Dequantize behind each: a quarter of the size, float arithmetic.

The numbers are those of the Graph Transform Tool: quint8 from the smallest to the largest value, the range widened to
hold 0, Dequantize in the mode ``MIN_FIRST``. Constants of batch normalizations stay: an eighth of a percent of the
largest variance is no variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.graph.graph_def import source
from harness.graph.transforms import values
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.norms import NORMS
from harness.graph.transforms.values import Array
from harness.graph.transforms.work import Work

STEPS = 255
SMALLEST_RANGE = 1e-30
"""Below it a step would be 0 in float32; such values become 0."""


@dataclass
class Options:
    """``minimum_size``: elements of the smallest constant that is stored in 8 bits."""

    minimum_size: int = field(default=1024, metadata={"min": 1})


def apply(work: Work, options: Options) -> Outcome:
    """Quantize every float32 constant that is large enough."""
    norm = _of_norms(work)
    found = values.float_constants(work, options.minimum_size)
    chosen = [node for node in found if node.name not in norm and node.name not in work.ports]
    done = [node.name for node in chosen if _quantize(work, node)]
    missed = [f"'{node.name}' has values that are not finite and stays" for node in chosen if node.name not in done]
    if stay := sum(node.name in norm for node in found):
        missed.append(f"{stay} constants of batch normalizations stay float; fold them first")
    if not found:
        missed.append(f"no float32 constant has {options.minimum_size} or more elements")
    return Outcome(len(done), "constants in 8 bits", missed=tuple(missed))


def _of_norms(work: Work) -> set[str]:
    """Return the constants that batch normalizations read, themselves or through copies."""
    open_names = [source(read) for node in work.nodes.values() if node.op in NORMS for read in node.input[1:]]
    found: set[str] = set()
    while open_names:
        name = open_names.pop()
        found.add(name)
        if work.nodes[name].op == "Identity":
            open_names += map(source, work.nodes[name].input)
    return found


def quantized(value: NDArray[np.float32]) -> tuple[NDArray[np.uint8], np.float32, np.float32]:
    """Return the 8-bit numbers of an array of finite values and the range they span."""
    low, high = np.float32(min(0.0, value.min())), np.float32(max(0.0, value.max()))
    if high - low < SMALLEST_RANGE:
        high = np.float32(1.0)
    scale = STEPS / (np.float64(high) - np.float64(low))
    stored = np.rint(value * scale) - np.rint(low * scale)
    return np.clip(stored, 0, STEPS).astype(np.uint8), low, high


def _quantize(work: Work, node: Any) -> bool:
    """Put a Dequantize of 8-bit numbers, under the old name, in the place of a constant; not where one is infinite."""
    from tensorflow.core.framework import node_def_pb2

    value: Array | None = values.constant(work, node.name)
    if value is None or not np.isfinite(value).all():
        return False
    stored, low, high = quantized(value)
    names = [work.free(f"{node.name}_{part}") for part in ("quantized_const", "quantized_min", "quantized_max")]
    for made in (_quint8(names[0], stored), _scalar(names[1], low), _scalar(names[2], high)):
        work.add(made, before=node.name)
    dequantize = node_def_pb2.NodeDef(name=node.name, op="Dequantize", input=names)
    dequantize.attr["T"].type = work.nodes[names[0]].attr["dtype"].type
    dequantize.attr["mode"].s = b"MIN_FIRST"
    dequantize.input.extend([read for read in node.input if read.startswith("^")])
    work.nodes[node.name] = dequantize
    return True


def _scalar(name: str, value: np.float32) -> Any:
    return values.const_node(name, np.asarray(value))


def _quint8(name: str, stored: NDArray[np.uint8]) -> Any:
    """Return a constant of the dtype quint8, which NumPy has not."""
    from tensorflow.core.framework import types_pb2

    node = values.const_node(name, stored)
    node.attr["value"].tensor.dtype = node.attr["dtype"].type = types_pb2.DT_QUINT8
    return node
