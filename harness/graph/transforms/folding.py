"""Fold arithmetic per channel behind a convolution or a matrix product into its weights and one BiasAdd.

TensorFlow's ``optimize_for_inference_lib.fold_batch_norms`` is not used: it folds also where the convolution is read
by others, which changes what they get, and leaves everything but two operators behind two kinds of convolution as it is
without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.graph.graph_def import INPUTS, source
from harness.graph.transforms import values
from harness.graph.transforms.norms import IDENTITY, SCALES, SHIFTS, Affine, affine
from harness.graph.transforms.values import Array
from harness.graph.transforms.work import Work


@dataclass(frozen=True, slots=True)
class Product:
    """An operator whose output is linear in weights that have an axis for its channels."""

    rank: int
    """Dimensions of the output."""
    weights: int
    """Which input they are."""
    shape: Callable[[Array, Any], tuple[int, ...]]
    """Weights and node to the shape in which a number for each channel multiplies the weights."""


def _last(weights: Array, _: Any) -> tuple[int, ...]:
    return (weights.shape[-1],)


def _matmul(weights: Array, node: Any) -> tuple[int, ...]:
    return (weights.shape[0], 1) if node.attr["transpose_b"].b else (weights.shape[-1],)


PRODUCTS = {
    "Conv2D": Product(4, 1, _last),  # (h, w, in, out)
    "Conv3D": Product(5, 1, _last),
    "DepthwiseConv2dNative": Product(4, 1, lambda weights, _: weights.shape[2:]),  # (h, w, in, multiplier)
    "Conv2DBackpropInput": Product(4, 1, lambda weights, _: (weights.shape[2], 1)),  # (h, w, out, in)
    "MatMul": Product(2, 1, _matmul),
}


@dataclass(frozen=True, slots=True)
class Chain:
    """A product and the arithmetic that follows it, each read by the next only."""

    product: Any
    followers: tuple[Any, ...]
    whole: Affine
    stopped: str
    """Why it goes no further."""


def fold(work: Work, kinds: Sequence[str]) -> int:
    """Fold every chain that has an operator of ``kinds`` in it; return how many of those operators are gone."""
    folded = 0
    for name in [name for name, node in work.nodes.items() if node.op in PRODUCTS]:
        found = chain(work, work.nodes[name], kinds)
        weights = values.constant(work, found.product.input[PRODUCTS[found.product.op].weights])
        if found.followers and weights is not None and _fits(work, found, weights):
            folded += sum(node.op in kinds for node in found.followers)
            _replace(work, found, weights)
    return folded


def chain(work: Work, product: Any, kinds: Sequence[str]) -> Chain:
    """Return the arithmetic behind a product up to the last operator of ``kinds`` and the shifts behind that."""
    rank = PRODUCTS[product.op].rank
    if product.attr["data_format"].s.startswith(b"NC"):
        return Chain(product, (), IDENTITY, "the channels of the convolution come first (NCHW)")
    whole, followers, read, stopped = IDENTITY, [], product.name, ""
    kept, kept_whole = 0, IDENTITY
    while True:
        node = _only_reader(work, read)
        step = affine(work, node, _as_read(node, read), rank) if not isinstance(node, str) else node
        if isinstance(step, str) or (node.op not in (*kinds, *SHIFTS)):
            stopped = step if isinstance(step, str) else f"{node.op} is not folded by this transform"
            break
        whole = whole.then(step)
        followers.append(node)
        if any(one.op in kinds for one in followers):
            kept, kept_whole = len(followers), whole
        read = node.name
    return Chain(product, tuple(followers[:kept]), kept_whole, stopped)


def _only_reader(work: Work, name: str) -> Any:
    """Return the one node that reads the first output of a node, or why there is none."""
    readers = work.readers().get(name, [])
    if name in work.ports:
        return f"'{name}' is an output itself"
    if len(readers) != 1:
        return f"'{name}' is read {len(readers)} times"
    if _as_read(readers[0], name) not in (name, f"{name}:0"):
        return f"'{name}' is not read for its first output"
    return readers[0]


def _as_read(node: Any, name: str) -> str:
    """Return how ``node`` writes that it reads the node ``name``."""
    found: str = next(read for read in node.input if source(read) == name)
    return found


def _fits(work: Work, found: Chain, weights: Array) -> bool:
    """Say whether there is one number or one a channel, and nobody reads statistics that a last norm gives."""
    channels = int(np.prod(PRODUCTS[found.product.op].shape(weights, found.product)))
    last = found.followers[-1].name
    outputs = {read for node in work.readers().get(last, []) for read in node.input if source(read) == last}
    outputs |= {read for read in work.outputs if source(read) == last}
    whole = found.whole
    return {whole.scale.size, whole.offset.size} <= {1, channels} and outputs <= {last, f"{last}:0", f"^{last}"}


def _replace(work: Work, found: Chain, weights: Array) -> None:
    """Give the product scaled weights; a BiasAdd with the offset takes the place and name of the last follower."""
    product, kind = found.product, PRODUCTS[found.product.op]
    shape = kind.shape(weights, product)
    channels = int(np.prod(shape))
    scale = np.broadcast_to(found.whole.scale, channels).reshape(shape)
    offset = np.broadcast_to(found.whole.offset, channels).astype(weights.dtype)
    left = [source(read) for node in (product, *found.followers) for read in node.input]
    product.input[kind.weights] = _add(work, product, "folded_weights", (weights * scale).astype(weights.dtype))
    for node in found.followers[:-1]:
        del work.nodes[node.name]
    if offset.any():
        _to_bias_add(found, _add(work, product, "folded_bias", offset))
    else:
        _take_name(work, product, found.followers[-1].name)
    work.drop_unread(name for name in left if name in work.nodes and work.nodes[name].op not in (product.op, *INPUTS))


def _add(work: Work, product: Any, part: str, value: Array) -> str:
    """Put a constant before a product; return its name."""
    made = values.const_node(work.free(f"{product.name}/{part}"), value)
    work.add(made, before=product.name)
    return str(made.name)


def _to_bias_add(found: Chain, bias: str) -> None:
    last, name = found.followers[-1], found.followers[-1].name
    waits = dict.fromkeys(read for node in found.followers for read in node.input if read.startswith("^"))
    last.Clear()
    last.name, last.op = name, "BiasAdd"
    last.input.extend([found.product.name, bias, *waits])
    last.attr["T"].CopyFrom(found.product.attr["T"])
    last.attr["data_format"].s = b"NHWC"


def _take_name(work: Work, product: Any, name: str) -> None:
    """Let a product stand in for its last follower, where there is nothing to add."""
    del work.nodes[product.name]
    product.name = name
    work.nodes[name] = product


def why_left(work: Work, norm: Any, kinds: Sequence[str]) -> str:
    """Return why a batch normalization was not folded."""
    node = work.nodes[source(norm.input[0])]
    while node.op in (*SHIFTS, *SCALES):
        data = [work.nodes[source(read)] for read in node.input if not read.startswith("^")]
        node = next((one for one in data if one.op in PRODUCTS), data[0])
    if node.op not in PRODUCTS:
        return f"it follows {node.op}, no convolution and no matrix product"
    if values.constant(work, node.input[PRODUCTS[node.op].weights]) is None:
        return f"the weights of {node.op} are no constant"
    found = chain(work, node, kinds)
    own = affine(work, norm, norm.input[0], PRODUCTS[node.op].rank)
    if not isinstance(own, Affine):
        return own
    if any(one.name == norm.name for one in found.followers):
        return "it does not have as many channels as the weights, or it is read for its statistics"
    return found.stopped


def notes(work: Work, norms: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...]:
    """Say which batch normalizations are left, grouped by why."""
    left: dict[str, list[str]] = {}
    for node in work.nodes.values():
        if node.op in norms:
            left.setdefault(why_left(work, node, kinds), []).append(node.name)
    return tuple(
        f"{len(names)} batch normalization{'s' if len(names) > 1 else ''} left, such as '{names[0]}': {reason}"
        for reason, names in left.items()
    )
