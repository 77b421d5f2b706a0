"""Fold arithmetic per channel behind a convolution or a matrix product into its weights and one BiasAdd.

TensorFlow's ``optimize_for_inference_lib.fold_batch_norms`` is not used: it folds also where the convolution is read
by others, which changes what they get, and leaves everything but two operators behind two kinds of convolution as it is
without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.graph.graph_def import INPUTS, source
from harness.graph.transforms import values
from harness.graph.transforms.norms import COPY, IDENTITY, SHIFTS, Affine, affine, text
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
    turned = "transpose_b" in node.attr and node.attr["transpose_b"].b
    return (weights.shape[0], 1) if turned else (weights.shape[-1],)


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
        made = scaled(work, found) if found.followers else ""
        if not isinstance(made, str):
            folded += sum(node.op in kinds for node in found.followers)
            _replace(work, found, *made)
    return folded


def chain(work: Work, product: Any, kinds: Sequence[str]) -> Chain:
    """Return the arithmetic behind a product up to the last operator of ``kinds`` and the shifts behind that."""
    if text(product, "data_format", "").startswith("NC"):
        return Chain(product, (), IDENTITY, "the channels of the convolution come first (NCHW)")
    rank, readers = PRODUCTS[product.op].rank, work.readers()
    whole, followers, read, stopped = IDENTITY, [], product.name, ""
    kept, kept_whole = 0, IDENTITY
    while not stopped:
        node = _only_reader(work, readers, read)
        step = affine(work, node, _as_read(node, read), rank) if not isinstance(node, str) else node
        if isinstance(step, str) or node.op not in (*kinds, *SHIFTS, COPY):
            stopped = step if isinstance(step, str) else f"{node.op} is not folded by this transform"
            continue
        whole = whole.then(step)
        followers.append(node)
        if node.op != COPY and any(one.op in kinds for one in followers):
            kept, kept_whole = len(followers), whole
        read = node.name
    return Chain(product, tuple(followers[:kept]), kept_whole, stopped)


def _only_reader(work: Work, readers: Mapping[str, list[Any]], name: str) -> Any:
    """Return the one node that reads the first output of a node, or why there is none."""
    found = readers.get(name, [])
    if name in work.ports:
        return f"'{name}' is an output itself"
    if len(found) != 1:
        return f"'{name}' is read {len(found)} times"
    if _as_read(found[0], name) not in (name, f"{name}:0"):
        return f"'{name}' is not read for its first output"
    return found[0]


def _as_read(node: Any, name: str) -> str:
    """Return how ``node`` writes that it reads the node ``name``."""
    found: str = next(read for read in node.input if source(read) == name)
    return found


def scaled(work: Work, found: Chain) -> tuple[Array, Array] | str:
    """Return the weights and the offset (one number a channel) that a chain folds into, or why it does not."""
    product, kind, whole = found.product, PRODUCTS[found.product.op], found.whole
    weights = values.constant(work, product.input[kind.weights])
    if weights is None:
        return f"the weights of {product.op} are no constant"
    if "T" not in product.attr or product.attr["T"].type not in _floating():
        return f"the weights of {product.op} are {weights.dtype}, not floating"
    shape = kind.shape(weights, product)
    channels = int(np.prod(shape))
    if not {whole.scale.size, whole.offset.size} <= {1, channels}:
        return f"it does not have as many channels as the weights, {channels}"
    if not _read_for_values_only(work, found.followers[-1].name):
        return "it is read for its statistics"
    scale = np.broadcast_to(whole.scale, channels).reshape(shape)
    with np.errstate(over="ignore"):  # looked for in the next line
        made = (weights * scale).astype(weights.dtype), np.broadcast_to(whole.offset, channels).astype(weights.dtype)
    return made if all(np.isfinite(one).all() for one in made) else "folded weights would not be finite"


def _floating() -> tuple[int, ...]:
    from tensorflow.core.framework import types_pb2

    return types_pb2.DT_FLOAT, types_pb2.DT_HALF, types_pb2.DT_BFLOAT16, types_pb2.DT_DOUBLE


def _read_for_values_only(work: Work, name: str) -> bool:
    """Say whether nobody reads the statistics that a batch normalization gives beside its values."""
    reads = {read for node in work.nodes.values() for read in node.input if source(read) == name}
    reads |= {read for read in work.outputs if source(read) == name}
    return reads <= {name, f"{name}:0", f"^{name}"}


def _replace(work: Work, found: Chain, weights: Array, offset: Array) -> None:
    """Give the product its new weights; a BiasAdd with the offset takes the place and name of the last follower."""
    product, kind = found.product, PRODUCTS[found.product.op]
    left = [source(read) for node in (product, *found.followers) for read in node.input]
    waits = _waits(work, found)
    product.input[kind.weights] = _add(work, product, "folded_weights", weights)
    product.input.extend(read for read in waits if read not in product.input)
    for node in found.followers[:-1]:
        del work.nodes[node.name]
    if offset.any():
        _to_bias_add(found, _add(work, product, "folded_bias", offset))
    else:
        _take_name(work, product, found.followers[-1].name)
    work.drop_unread(name for name in left if name in work.nodes and work.nodes[name].op not in (product.op, *INPUTS))


def _waits(work: Work, found: Chain) -> dict[str, None]:
    """Return what the followers, the weights and the followers' constants wait for; nothing of it needs the product."""
    inside = {node.name for node in (found.product, *found.followers)}
    reads = [read for node in found.followers for read in node.input]
    constants = [read for read in reads if read[0] != "^" and source(read) not in inside]
    constants.append(found.product.input[PRODUCTS[found.product.op].weights])
    behind = [one for read in constants for one in values.waits(work, read)]
    return dict.fromkeys([*(read for read in reads if read[0] == "^"), *behind])


def _add(work: Work, product: Any, part: str, value: Array) -> str:
    """Put a constant before a product; return its name."""
    made = values.const_node(work.free(f"{product.name}/{part}"), value)
    work.add(made, before=product.name)
    return str(made.name)


def _to_bias_add(found: Chain, bias: str) -> None:
    last, name = found.followers[-1], found.followers[-1].name
    last.Clear()
    last.name, last.op = name, "BiasAdd"
    last.input.extend([found.product.name, bias])
    last.attr["T"].CopyFrom(found.product.attr["T"])
    last.attr["data_format"].s = b"NHWC"


def _take_name(work: Work, product: Any, name: str) -> None:
    """Let a product stand in for its last follower, where there is nothing to add."""
    del work.nodes[product.name]
    product.name = name
    work.nodes[name] = product
