"""Constants of a graph as arrays and back, and graphs as functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.graph.graph_def import source
from harness.graph.transforms.work import Work

Array = NDArray[Any]
_ARITHMETIC: dict[str, Callable[..., Array]] = {
    "Add": np.add,
    "AddV2": np.add,
    "BiasAdd": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Div": np.divide,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Neg": np.negative,
    "Reshape": np.reshape,
}
"""Operators that stand between the variables of a batch normalization and what it computes with."""


def constant(work: Work, read: str, depth: int = 20) -> Array | None:
    """Return the value of a tensor that is a constant, a copy of one, or simple arithmetic on some; else None.

    Raises:
        UserError: a constant whose content is not what its shape says.
    """
    node = work.nodes[source(read)]
    if read.startswith("^") or read.partition(":")[2] not in ("", "0") or not depth:
        return None
    if node.op == "Const":
        from tensorflow.python.framework import tensor_util

        try:
            found: Array = tensor_util.MakeNdarray(node.attr["value"].tensor)
        except (ValueError, TypeError, IndexError) as error:
            raise UserError(f"the constant '{node.name}' does not hold what its shape and dtype say") from error
        return found
    data = [one for one in node.input if not one.startswith("^")]
    if node.op == "Identity":
        return constant(work, data[0], depth - 1)
    if node.op not in _ARITHMETIC:
        return None
    operands = [constant(work, one, depth - 1) for one in data]
    if any(one is None for one in operands):
        return None
    try:
        with np.errstate(all="ignore"):  # what comes of it is looked at by who asked
            result: Array = _ARITHMETIC[node.op](*operands)
    except (ValueError, TypeError):  # shapes that do not fit: TensorFlow will say so
        return None
    return result


def waits(work: Work, read: str) -> Iterator[str]:
    """Yield what the nodes behind a constant tensor wait for (``^name``)."""
    for one in work.nodes[source(read)].input:
        if one.startswith("^"):
            yield str(one)
        else:
            yield from waits(work, one)


def const_node(name: str, value: Array) -> Any:
    """Return a Const of a NumPy array."""
    from tensorflow.core.framework import node_def_pb2
    from tensorflow.python.framework import tensor_util

    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(np.asarray(value)))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
    return node


def elements(node: Any) -> int:
    """Return how many numbers a Const holds, read from its shape."""
    return int(np.prod([dim.size for dim in node.attr["value"].tensor.tensor_shape.dim], dtype=np.int64))


def float_constants(work: Work, at_least: int) -> list[Any]:
    """Return the float32 constants with so many elements or more."""
    from tensorflow.core.framework import types_pb2

    nodes = (node for node in work.nodes.values() if node.op == "Const")
    return [n for n in nodes if n.attr["dtype"].type == types_pb2.DT_FLOAT and elements(n) >= at_least]


def run(graph_def: Any, feeds: Mapping[str, Array], fetches: Sequence[str], most: int | None = None) -> list[Array]:
    """Return what the tensors ``fetches`` are for ``feeds`` (name → value). Raises what TensorFlow raises.

    ``most``: bytes; a graph in which some value is known to be larger is not run, it raises ``ValueError``.
    """
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        large = max((_size(one) for op in graph.get_operations() for one in op.outputs), default=0)
        if most is not None and large > most:
            raise ValueError(f"it needs a value of {large} bytes")
        with tf.compat.v1.Session(graph=graph) as session:
            found: list[Array] = session.run(list(map(port, fetches)), {port(k): v for k, v in feeds.items()})
    return found


def _size(tensor: Any) -> int:
    """Return the bytes of a tensor in a graph, 0 where its shape is not known."""
    return int(tensor.shape.num_elements() or 0) * int(tensor.dtype.size or 0)


def port(name: str) -> str:
    """Return ``node:0`` for ``node``."""
    return name if ":" in name else f"{name}:0"
