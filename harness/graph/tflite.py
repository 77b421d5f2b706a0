"""Read a .tflite file without running it, through LiteRT's own flatbuffer schema."""

from __future__ import annotations

import struct
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import litert_library
from harness.errors import StageFailed
from harness.graph.mapped import mapped
from harness.graph.model import ABSENT, Graph, Node, Signature, Tensor, unique_names
from harness.graph.tflite_options import attributes

_BROKEN = (
    struct.error,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    AssertionError,
)
"""What the generated flatbuffer code raises on offsets that lead nowhere, and what the checks here raise."""

_PACKED_BITS = {"int4": 4, "uint4": 4, "int2": 2}
_NUMPY = frozenset({
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "bool", "complex64", "complex128",
})  # fmt: skip


def read(path: Path) -> Graph:
    """Return the graph of a .tflite file: all sub-graphs, the first one being the main one.

    Raises:
        StageFailed: ``broken_file``, when it cannot be read or is not a whole, sound .tflite file.
    """
    try:
        content = mapped(path)
    except OSError as error:
        raise StageFailed(f"{path.name}: {error.strerror}", "broken_file") from error
    return parse(content, path.name)


def parse(content: bytes | memoryview, name: str = "model.tflite") -> Graph:
    """Return the graph that ``content`` holds; ``name`` is for the message. Raises as ``read`` does."""
    schema = litert_library.load("schema")
    try:
        if content[4:8] != b"TFL3":
            raise ValueError("the identifier TFL3 is missing")
        return _graph(schema, schema.Model.GetRootAs(content, 0), content)
    except _BROKEN as error:
        raise StageFailed(f"{name}: not a sound .tflite file: {error}", "broken_file") from error


def _graph(schema: Any, model: Any, content: bytes | memoryview) -> Graph:
    if not model.SubgraphsLength():
        raise ValueError("it has no graph")
    buffers = _Buffers(model, content)
    dtypes = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    codes = _op_names(schema, model)
    nodes: list[Node] = []
    tensors: list[Tensor] = []
    for index in range(model.SubgraphsLength()):
        subgraph, first = model.Subgraphs(index), len(tensors)
        tensors += [_tensor(subgraph.Tensors(i), dtypes, buffers) for i in range(subgraph.TensorsLength())]
        scope = "" if index == 0 else _text(subgraph.Name()) or f"subgraph_{index}"
        for i in range(subgraph.OperatorsLength()):
            raw = subgraph.Operators(i)
            nodes.append(_node(schema, raw, codes, own=range(first, len(tensors)), scope=scope, tensors=tensors))
    inputs, outputs = _ports(model, tensors)
    return Graph("tflite", tuple(nodes), tuple(tensors), inputs, outputs, signatures=_signatures(model))


class _Buffers:
    """The constants of a file, each found by its number."""

    def __init__(self, model: Any, content: bytes | memoryview) -> None:
        self._model, self._content, self._length = model, content, model.BuffersLength()

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """Return the bytes of a buffer as a view, empty for a tensor that is no constant."""
        if not 0 <= number < self._length:
            raise IndexError(f"there is no buffer {number}")
        buffer = self._model.Buffers(number)
        if buffer.Offset() > 1:  # a file over 2 GB keeps its constants behind the flatbuffer
            return np.frombuffer(self._content, np.uint8, buffer.Size(), buffer.Offset())
        values = buffer.DataAsNumpy()
        return np.zeros(0, np.uint8) if isinstance(values, int) else values


def _op_names(schema: Any, model: Any) -> list[tuple[str, bool]]:
    """Return (name, custom) of every operator code; codes over 126 stand in the newer field."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    found = []
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = number == schema.BuiltinOperator.CUSTOM
        found.append((_text(code.CustomCode()) or "CUSTOM" if custom else names[number], custom))
    return found


def _tensor(raw: Any, dtypes: dict[int, str], buffers: _Buffers) -> Tensor:
    name, dtype, shape = _text(raw.Name()), dtypes[raw.Type()], tuple(_numbers(raw.ShapeAsNumpy()))
    stored = buffers[raw.Buffer()]
    scales, zero_points, dimension = _quantization(raw.Quantization(), shape, name)
    return Tensor(
        name=name,
        dtype=dtype,
        shape=shape,
        scales=scales,
        zero_points=zero_points,
        quantized_dimension=dimension,
        constant=bool(stored.size),
        bytes=int(stored.size),
        buffer=raw.Buffer() if stored.size else -1,
        data=_values(stored, dtype, None if raw.Sparsity() is not None else shape, name) if stored.size else None,
    )


def _quantization(raw: Any, shape: tuple[int, ...], name: str) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    """Return scales, zero points and dimension; empty for a tensor without scale."""
    scales = () if raw is None else tuple(_numbers(raw.ScaleAsNumpy()))
    if not scales:
        return (), (), 0
    zero_points = tuple(_numbers(raw.ZeroPointAsNumpy())) or (0,) * len(scales)
    dimension = raw.QuantizedDimension()
    if not all(map(isfinite, scales)):
        raise ValueError(f"tensor '{name}' has a scale that is no number")
    if len(zero_points) != len(scales):
        raise ValueError(f"tensor '{name}' has {len(scales)} scales and {len(zero_points)} zero points")
    if len(scales) > 1 and not (0 <= dimension < len(shape) and shape[dimension] == len(scales)):
        raise ValueError(f"tensor '{name}' has {len(scales)} scales, which its shape {list(shape)} does not fit")
    return scales, zero_points, dimension


def _values(stored: NDArray[np.uint8], dtype: str, shape: tuple[int, ...] | None, name: str) -> NDArray[Any] | None:
    """Return stored bytes as values in ``shape`` (None: flat), None for a dtype that NumPy does not know."""
    if dtype in _PACKED_BITS:
        values: NDArray[Any] = _unpack(stored, dtype, None if shape is None else prod(shape))
    elif dtype == "bfloat16":
        values = (stored.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif dtype in _NUMPY:
        values = np.frombuffer(stored, np.dtype(dtype))
    else:
        return None
    if shape is None:
        return values
    if min(shape, default=0) < 0 or values.size != prod(shape):
        raise ValueError(f"tensor '{name}' holds {values.size} values, which its shape {list(shape)} does not fit")
    return values.reshape(shape)


def _unpack(stored: NDArray[np.uint8], dtype: str, elements: int | None) -> NDArray[Any]:
    """Return numbers of 4 or 2 bits as 8-bit ones; the first number is in the lowest bits."""
    bits = _PACKED_BITS[dtype]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    fields: NDArray[np.uint8] = (stored[:, None] >> shifts & (2**bits - 1)).astype(np.uint8).ravel()[:elements]
    if dtype.startswith("u"):
        return fields
    signed: NDArray[np.int8] = (fields << (8 - bits)).astype(np.uint8).view(np.int8) >> (8 - bits)
    return signed


def _node(
    schema: Any, raw: Any, codes: list[tuple[str, bool]], *, own: range, scope: str, tensors: list[Tensor]
) -> Node:
    """Return a node; its tensor numbers count from the sub-graph's first tensor (``own``)."""
    op, custom = codes[raw.OpcodeIndex()]
    inputs = tuple(ABSENT if i == -1 else _pick(own, i) for i in _numbers(raw.InputsAsNumpy()))
    outputs = tuple(_pick(own, i) for i in _numbers(raw.OutputsAsNumpy()))
    flex = custom and op.startswith("Flex")
    name = tensors[outputs[0]].name if outputs else op
    return Node(op, name, inputs, outputs, custom and not flex, flex, attributes(schema, raw), scope)


def _ports(model: Any, tensors: list[Tensor]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the inputs and outputs of the main graph, by the names of its signature when it has one."""
    subgraph = model.Subgraphs(0)
    own = range(subgraph.TensorsLength())
    for index in range(model.SignatureDefsLength()):
        signature = model.SignatureDefs(index)
        if signature.SubgraphIndex() == 0:
            return (
                _signature_ports([signature.Inputs(i) for i in range(signature.InputsLength())], own),
                _signature_ports([signature.Outputs(i) for i in range(signature.OutputsLength())], own),
            )
    return (
        unique_names([(tensors[_pick(own, i)].name, i) for i in _numbers(subgraph.InputsAsNumpy())]),
        unique_names([(tensors[_pick(own, i)].name, i) for i in _numbers(subgraph.OutputsAsNumpy())]),
    )


def _signatures(model: Any) -> tuple[Signature, ...]:
    """Return the names of all signatures, of whatever sub-graph."""
    found = []
    for one in (model.SignatureDefs(index) for index in range(model.SignatureDefsLength())):
        inputs = tuple(_text(one.Inputs(i).Name()) for i in range(one.InputsLength()))
        outputs = tuple(_text(one.Outputs(i).Name()) for i in range(one.OutputsLength()))
        found.append(Signature(_text(one.SignatureKey()), inputs, outputs))
    return tuple(found)


def _signature_ports(maps: list[Any], own: range) -> dict[str, int]:
    return unique_names([(_text(entry.Name()), _pick(own, entry.TensorIndex())) for entry in maps])


def _pick(own: range, index: int) -> int:
    if not 0 <= index < len(own):
        raise IndexError(f"there is no tensor {index}")
    return own[index]


def _numbers(vector: Any) -> list[Any]:
    """Return a flatbuffer vector as a list; its reader gives the number 0 for a vector that is not there."""
    return [] if isinstance(vector, int) else list(vector.tolist())


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8", "replace")
