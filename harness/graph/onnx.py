"""Read an .onnx file without running it; external data only where ``TRUST.md`` section 5 allows it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, prod
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import StageFailed
from harness.graph.mapped import array, mapped
from harness.graph.model import ABSENT, Graph, Node, Tensor
from harness.graph.onnx_attributes import attributes
from harness.graph.wire import Fields, Slim, slim

_STANDARD = ("", "ai.onnx")
_VALUE_FIELDS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_PACKED = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4e2m1": 4}
"""Dtypes with several values in a byte, and their bits."""
_BIG = 1024
"""Elements from which on a constant's values are taken out before shapes are inferred."""

_TENSOR = Fields(values=frozenset({9}))  # raw_data
_NESTED: dict[int, Fields] = {}
_GRAPH = Fields(messages=_NESTED)
_ATTRIBUTE = Fields(messages={5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH})  # t, g, tensors, graphs
_NESTED |= {1: Fields(messages={5: _ATTRIBUTE}), 5: _TENSOR}  # node, initializer
LARGE = Fields(messages={7: _GRAPH})
"""Where a ModelProto has its constants."""

_PARAMETERS: dict[str, tuple[tuple[str, int, int, int, int], ...]] = {
    # operator → (side, position of the quantized tensor, input with its scale, with its zero point, axis)
    "QuantizeLinear": (("outputs", 0, 1, 2, 1),),
    "DequantizeLinear": (("inputs", 0, 1, 2, 1),),
    "QLinearConv": (("inputs", 0, 1, 2, 1), ("inputs", 3, 4, 5, 0), ("outputs", 0, 6, 7, 1)),
    "QLinearMatMul": (("inputs", 0, 1, 2, -1), ("inputs", 3, 4, 5, -1), ("outputs", 0, 6, 7, -1)),
}


def read(path: Path) -> Graph:
    """Return the graph of an .onnx file, with inferred shapes; bodies of If and Loop in the same list.

    Raises:
        StageFailed: ``broken_file`` when it cannot be read; ``unsafe_external_data`` when its weights
            are to come from anywhere but a plain file of one name beside it.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        read = slim(mapped(path), LARGE)
        model = onnx.load_model_from_string(read.message)
        if not model.HasField("graph") or not model.graph.node:
            raise ValueError("it has no graph")
        return _Reader(model, path.parent, read).graph()
    except OSError as error:
        raise StageFailed(f"{path.name}: {error}", "broken_file") from error
    except (DecodeError, ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound .onnx file: {error}", "broken_file") from error


class _Reader:
    """Gathers the tensors and nodes of one model; names are resolved scope by scope."""

    def __init__(self, model: Any, folder: Path, slim: Slim) -> None:
        self._folder, self._slim = folder, slim
        self._model = model
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []

    def graph(self) -> Graph:
        model, main = self._model, self._model.graph
        names: dict[str, int] = {}
        self._constants(main, names)
        self._walk(_with_shapes(model), names, "")
        _attach_parameters(self._nodes, self._tensors)
        constant = {item.name for item in main.initializer}
        inputs = {item.name: names[item.name] for item in main.input if item.name not in constant}
        outputs = {item.name: names[item.name] for item in main.output}
        opsets = [item.version for item in model.opset_import if item.domain in _STANDARD]
        nodes, tensors = tuple(self._nodes), tuple(self._tensors)
        return Graph("onnx", nodes, tensors, inputs, outputs, max(opsets, default=None))

    def _walk(self, graph: Any, names: dict[str, int], scope: str) -> None:
        for item in (*graph.input, *graph.value_info, *graph.output):
            dtype, shape = _type_of(item)
            self._declare(Tensor(item.name, dtype, shape), names)
        for raw in graph.node:
            for name in (*raw.input, *raw.output):
                self._declare(Tensor(name, "unknown", None), names)
            if raw.op_type == "Constant":
                self._constant_node(raw, names)
            self._nodes.append(_node(raw, names, scope))
            for attribute in raw.attribute:
                for body in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                    inner = dict(names)
                    self._constants(body, inner)
                    self._walk(body, inner, f"{scope}/{raw.name or raw.op_type}".strip("/"))

    def _declare(self, tensor: Tensor, names: dict[str, int]) -> None:
        if tensor.name and _text(tensor.name) not in names:
            names[tensor.name] = len(self._tensors)
            self._tensors.append(tensor)

    def _constants(self, graph: Any, names: dict[str, int]) -> None:
        for raw in graph.initializer:
            names[_text(raw.name)] = len(self._tensors)
            self._tensors.append(self._constant(raw, raw.name, len(self._tensors)))

    def _constant_node(self, raw: Any, names: dict[str, int]) -> None:
        """Make the output of a Constant node a constant, as an initializer is."""
        for attribute in raw.attribute:
            if attribute.name == "value" and raw.output:
                number = names[raw.output[0]]
                self._tensors[number] = self._constant(attribute.t, raw.output[0], number)

    def _constant(self, raw: Any, name: str, number: int) -> Tensor:
        from onnx import TensorProto

        dtype, shape = _dtype(raw.data_type), tuple(raw.dims)
        if min(shape, default=0) < 0:
            raise ValueError(f"constant '{name}' has shape {list(shape)}")
        data: NDArray[Any] | None = None
        if raw.data_location == TensorProto.EXTERNAL:
            data = _external(raw, dtype, shape, self._folder)
        elif dtype != "string":
            data = self._inside(raw, shape)
        size = 0 if data is None else -(-data.size * _bits(dtype, data) // 8)
        return Tensor(name, dtype, shape, constant=True, bytes=size, buffer=number, data=data)

    def _inside(self, raw: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the values of a constant in the file itself: a view of it when there are many."""
        from onnx import helper, numpy_helper

        left = self._slim.value(raw.raw_data)
        if left is None:
            return np.asarray(numpy_helper.to_array(raw))
        if _dtype(raw.data_type) not in _PACKED:
            return array(left, helper.tensor_dtype_to_np_dtype(raw.data_type), shape)
        whole = type(raw)()
        whole.CopyFrom(raw)
        whole.raw_data = bytes(left)
        return np.asarray(numpy_helper.to_array(whole))


def _with_shapes(model: Any) -> Any:
    """Return the main graph with inferred types; big constants leave their values behind, to save memory."""
    import onnx

    for raw in model.graph.initializer:
        if prod(raw.dims) >= _BIG:
            for field in _VALUE_FIELDS:
                raw.ClearField(field)
    try:
        return onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        return model.graph  # the file's own shapes have to do


def _node(raw: Any, names: Mapping[str, int], scope: str) -> Node:
    op = _text(raw.op_type) if raw.domain in _STANDARD else f"{_text(raw.domain)}.{_text(raw.op_type)}"
    return Node(
        op=op,
        name=_text(raw.name) or next((name for name in raw.output if name), op),
        inputs=tuple(names.get(name, ABSENT) for name in raw.input),
        outputs=tuple(names.get(name, ABSENT) for name in raw.output),
        custom=raw.domain not in _STANDARD,
        attributes=attributes(raw),
        scope=scope,
    )


def _text(name: str | bytes) -> str:
    """Return a name; protobuf gives bytes for what is no UTF-8."""
    if isinstance(name, bytes):
        raise ValueError(f"the name {name!r} is no text")  # noqa: TRY004
    return name


def _type_of(info: Any) -> tuple[str, tuple[int, ...] | None]:
    """Return (dtype, shape) of a ValueInfoProto."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        return "unknown", None
    if not kind.HasField("shape"):
        return _dtype(kind.elem_type), None
    return _dtype(kind.elem_type), tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim)


def _dtype(number: int) -> str:
    """Return ONNX's number of a dtype as this project's name."""
    from onnx import TensorProto

    name = str(TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64", "undefined": "unknown"}.get(name, name)


def _bits(dtype: str, data: NDArray[Any]) -> int:
    return _PACKED.get(dtype, data.dtype.itemsize * 8)


def _external(raw: Any, dtype: str, shape: tuple[int, ...], folder: Path) -> NDArray[Any] | None:
    """Return the values of a constant kept in another file; nothing outside ``folder`` is ever opened."""
    entries = {entry.key: entry.value for entry in raw.external_data}
    location = entries.get("location", "")
    file = folder / location
    if not location or location in (".", "..") or "\\" in location or PurePath(location).name != location:
        raise StageFailed(f"constant '{raw.name}': external data at '{location}'", "unsafe_external_data")
    state = file.lstat()
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
        raise StageFailed(f"constant '{raw.name}': '{location}' is no plain file", "unsafe_external_data")
    try:
        kind = np.dtype(dtype)
    except TypeError:
        return None
    offset, size = int(entries.get("offset", "0")), prod(shape) * kind.itemsize
    if offset < 0 or offset + size > state.st_size:
        raise ValueError(f"constant '{raw.name}' lies outside '{location}'")
    return array(mapped(file), kind, shape, offset)


def _attach_parameters(nodes: list[Node], tensors: list[Tensor]) -> None:
    """Copy scales and zero points from Quantize/DequantizeLinear and QLinear operators to their tensors."""
    for node in nodes:
        for side, position, scale, zero_point, axis in _PARAMETERS.get(node.op, ()):
            numbers = node.outputs if side == "outputs" else node.inputs
            scales = _values(node, scale, tensors)
            if not scales or position >= len(numbers) or numbers[position] == ABSENT:
                continue
            old = tensors[numbers[position]]
            zeros = tuple(int(zero) for zero in _values(node, zero_point, tensors)) or (0,) * len(scales)
            dimension = _dimension(old.shape, len(scales), int(node.attributes.get("axis", axis)))
            if len(zeros) == len(scales) and dimension is not None and all(map(isfinite, scales)):
                tensors[numbers[position]] = replace(
                    old, scales=scales, zero_points=zeros, quantized_dimension=dimension
                )


def _values(node: Node, position: int, tensors: list[Tensor]) -> tuple[float, ...]:
    """Return the constant at an input as plain numbers; empty when absent or computed."""
    if position >= len(node.inputs) or node.inputs[position] == ABSENT:
        return ()
    data = tensors[node.inputs[position]].data
    return () if data is None else tuple(float(value) for value in np.ravel(data))


def _dimension(shape: tuple[int, ...] | None, scales: int, axis: int) -> int | None:
    """Return the dimension that the scales go along, None when they do not fit."""
    if scales == 1:
        return 0
    sizes = shape or ()
    axis += len(sizes) if axis < 0 else 0
    return axis if 0 <= axis < len(sizes) and sizes[axis] == scales else None
