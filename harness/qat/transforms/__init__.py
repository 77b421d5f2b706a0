"""What a model goes through before it gets ranges: each file rewrites one kind of layer, the function stays the same.

The order matters: constants become affine layers before patterns of them are looked for, and what is left of them
becomes depthwise convolutions at the end.
"""

from __future__ import annotations

from harness.qat.graph import Graph
from harness.qat.transforms import (
    affine_to_depthwise,
    constant_arithmetic,
    dropout,
    fused_activation,
    hard_sigmoid,
    hard_swish,
    merged_affine,
    standalone_batch_norm,
    swish,
)

ORDER = (
    dropout,
    constant_arithmetic,
    fused_activation,
    hard_sigmoid,
    hard_swish,
    swish,
    standalone_batch_norm,
    merged_affine,
    affine_to_depthwise,
)
"""Modules with ``apply(graph) -> graph``."""


def apply(graph: Graph, *, hard_swish_kernel: bool = True) -> Graph:
    """Return the graph after all transforms: a float model of the same function.

    ``hard_swish_kernel``: one kernel for it, which XNNPACK has not; else two that it has.
    """
    for transform in ORDER:
        graph = transform.apply(graph)
    return graph if hard_swish_kernel else hard_swish.as_product(graph)
