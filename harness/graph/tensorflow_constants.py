"""Constants of TensorFlow graphs, and TensorFlow's dtypes and shapes as this project writes them."""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.graph.mapped import array
from harness.graph.model import Tensor
from harness.graph.wire import Fields, Slim

_NODE = Fields(messages={5: Fields(messages={2: Fields(messages={8: Fields(values=frozenset({4}))})})})
GRAPH_DEF = Fields(messages={1: _NODE, 2: Fields(messages={1: Fields(messages={3: _NODE})})})
"""Where a GraphDef has its constants: ``tensor_content`` of attributes, in nodes and in functions."""
_SPREAD = 2**16
"""Elements up to which a constant that is one number many times is written out."""


class Constants(Protocol):
    """Where the values of a graph's ``Const`` nodes are."""

    def tensor(self, raw: Any, name: str, number: int) -> Tensor:
        """Return a ``Const`` node as a tensor called ``name`` in buffer ``number``."""


class StoredConstants:
    """Constants in the nodes themselves."""

    def __init__(self, read: Slim) -> None:
        self._read = read

    def tensor(self, raw: Any, name: str, number: int) -> Tensor:
        """See ``Constants``."""
        value = raw.attr["value"].tensor
        dtype, shape = dtype_name(value.dtype), shape_of(value.tensor_shape)
        known = shape is not None and min(shape, default=0) >= 0
        size = item_size(dtype) * prod(shape) if shape is not None and known else 0
        data = self._values(value, shape or ()) if size else None
        return Tensor(name, dtype, shape, constant=True, bytes=size, buffer=number, data=data)

    def _values(self, value: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
        from tensorflow.python.framework import dtypes, tensor_util

        left = self._read.value(value.tensor_content)
        if left is not None:
            return array(left, dtypes.as_dtype(value.dtype).as_numpy_dtype, shape)
        if not value.tensor_content and prod(shape) > _SPREAD:
            return None  # one number that stands for many
        return np.asarray(tensor_util.MakeNdarray(value))


def dtype_name(number: int) -> str:
    """Return TensorFlow's number of a dtype as this project's name."""
    from tensorflow.core.framework import types_pb2

    name = str(types_pb2.DataType.Name(number)).removeprefix("DT_").lower()
    return {"float": "float32", "half": "float16", "double": "float64", "invalid": "unknown"}.get(name, name)


def item_size(dtype: str) -> int:
    """Return the bytes of one value, 0 for a dtype without a fixed size."""
    try:
        return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    except TypeError:
        return 0


def shape_of(raw: Any) -> tuple[int, ...] | None:
    """Return a TensorShapeProto as a shape, None when the rank is unknown."""
    return None if raw.unknown_rank else tuple(dim.size for dim in raw.dim)
