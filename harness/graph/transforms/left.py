"""Which batch normalizations are left in a graph, and why: the trap is that nothing says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.graph.graph_def import source
from harness.graph.transforms.folding import PRODUCTS, chain, scaled
from harness.graph.transforms.norms import COPY, NORMS, SCALES, SHIFTS, Affine, affine, per_channel
from harness.graph.transforms.values import constant
from harness.graph.transforms.work import Work

_ANY_RANK = 8


def told(work: Work, norms: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...]:
    """Say which operators of ``norms``, and which normalizations that are spelt out, are left; grouped by why.

    ``kinds``: what the transform that asks folds.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for node in work.nodes.values():
        if node.op in norms:
            found.setdefault(("batch normalization", why(work, node, kinds)), []).append(node.name)
        elif _is_spelt(work, node):
            kind = "normalization spelt as product and sum"
            found.setdefault((kind, why(work, node, kinds)), []).append(node.name)
    return (*(_line(kind, names, reason) for (kind, reason), names in found.items()), *_in_functions(work))


def _line(kind: str, names: list[str], reason: str) -> str:
    plural = kind.replace("normalization", "normalizations") if len(names) > 1 else kind
    return f"{len(names)} {plural} left, such as '{names[0]}': {reason}"


def _in_functions(work: Work) -> tuple[str, ...]:
    """Say what lies in functions that the graph calls: transforms change the graph only."""
    found = {one.signature.name: sum(node.op in NORMS for node in one.node_def) for one in work.functions}
    return tuple(
        f"{count} batch normalizations left in the function '{name}', which no transform looks into: inline it first"
        for name, count in found.items()
        if count
    )


def why(work: Work, norm: Any, kinds: Sequence[str]) -> str:
    """Return why a normalization was not folded."""
    read = _data(work, norm)
    node = work.nodes[source(read)]
    while node.op in (*SHIFTS, *SCALES, *NORMS, COPY):
        node = work.nodes[source(_data(work, node))]
    if node.op not in PRODUCTS:
        return f"it follows {node.op}, no convolution and no matrix product"
    own = affine(work, norm, read, PRODUCTS[node.op].rank)
    if not isinstance(own, Affine):
        return own
    found = chain(work, node, kinds)
    made = scaled(work, found) if norm.name in {one.name for one in found.followers} else found.stopped
    return made if isinstance(made, str) else found.stopped


def _is_spelt(work: Work, node: Any) -> bool:
    """Say whether a node multiplies each channel by a constant and all that reads it adds one to each channel."""
    readers = work.readers_of(node.name) if _scales_channels(work, node, SCALES) else []
    return bool(readers) and all(_scales_channels(work, one, SHIFTS) for one in readers)


def _scales_channels(work: Work, node: Any, ops: Sequence[str]) -> bool:
    if node.op not in ops:
        return False
    given = [constant(work, read) for read in node.input[:2]]
    other = [value for value in given if value is not None]
    vector = per_channel(other[0], _ANY_RANK) if len(other) == 1 else None
    return vector is not None and vector.size > 1


def _data(work: Work, node: Any) -> str:
    """Return the tensor that a normalization, a product or a sum takes beside its constants."""
    reads = [str(read) for read in node.input if not read.startswith("^")]
    reads = reads[:1] if node.op in NORMS else reads
    return next((read for read in reads if constant(work, read) is None), reads[0])
