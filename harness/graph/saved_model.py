"""Read the signature's graph of a SavedModel, its functions inlined, without loading it.

The values of its variables stay in the checkpoint: they have a dtype, a shape and a size, and no data.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageFailed
from harness.graph.model import ABSENT, Graph, Node, Tensor

SIGNATURE = "serving_default"
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_WIRES = ("Placeholder", "NoOp", "VarHandleOp")
_DEPTH = 50


def read(path: Path) -> Graph:
    """Return what the signature ``serving_default`` of the SavedModel in folder ``path`` computes.

    Raises:
        StageFailed: ``broken_file``, when it is not a whole, sound SavedModel with that signature.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
        if not saved.meta_graphs or SIGNATURE not in saved.meta_graphs[0].signature_def:
            raise ValueError(f"it has no signature '{SIGNATURE}'")
        return read_meta(saved.meta_graphs[0], "saved_model")
    except OSError as error:
        raise StageFailed(f"{path.name}: {error}", "broken_file") from error
    except (DecodeError, ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound SavedModel: {error}", "broken_file") from error


def read_meta(meta: Any, format: str) -> Graph:
    """Return what the signature ``serving_default`` of a ``MetaGraphDef`` computes, as a graph of ``format``.

    Raises what a graph that is not sound leads to: ``ValueError``, ``TypeError``, ``LookupError``, ``RecursionError``.
    """
    return _Reader(meta).graph(format)


class _Reader:
    """Walks from the signature's outputs back to its inputs and into the functions that it calls."""

    def __init__(self, meta: Any) -> None:
        self._meta = meta
        self._functions = {function.signature.name: function for function in meta.graph_def.library.function}
        self._variables = _variables(meta)
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []

    def graph(self, format: str) -> Graph:
        signature = self._meta.signature_def[SIGNATURE]
        values: dict[str, int] = {}
        inputs = {key: self._port(info, values) for key, info in sorted(signature.inputs.items())}
        wanted = [info.name for info in signature.outputs.values()]
        self._walk(_needed(list(self._meta.graph_def.node), wanted), values, "", 0)
        outputs = {key: self._lookup(values, info.name) for key, info in sorted(signature.outputs.items())}
        return Graph(format, tuple(self._nodes), tuple(self._tensors), inputs, outputs)

    def _port(self, info: Any, values: dict[str, int]) -> int:
        number = self._add(Tensor(info.name, _dtype(info.dtype), _shape(info.tensor_shape)))
        values[_key(info.name)] = number
        return number

    def _add(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _lookup(self, values: dict[str, int], name: str) -> int:
        number = values.get(_key(name), ABSENT)
        if number == ABSENT:
            raise KeyError(f"nothing computes '{name}'")
        return number

    def _walk(self, nodes: list[Any], values: dict[str, int], scope: str, depth: int) -> None:
        """Add ``nodes``, given in order of computation, and what the functions among them hold."""
        if depth > _DEPTH:
            raise ValueError("its functions call themselves")
        for raw in nodes:
            if raw.op in _WIRES and f"{raw.name}:0" in values:
                continue
            inputs = tuple(values.get(_key(name), ABSENT) for name in raw.input if not name.startswith("^"))
            if raw.op in _CALLS:
                self._call(raw, inputs, values, scope, depth)
            else:
                self._plain(raw, inputs, values, scope)

    def _plain(self, raw: Any, inputs: tuple[int, ...], values: dict[str, int], scope: str) -> None:
        shapes = raw.attr["_output_shapes"].list.shape if "_output_shapes" in raw.attr else ()
        outputs = []
        for index, (suffix, dtype) in enumerate(_outputs(raw)):
            shape = _shape(shapes[index]) if index < len(shapes) else None
            number = self._add(self._result(raw, f"{scope}{raw.name}", dtype, shape))
            outputs.append(number)
            values[f"{raw.name}:{suffix}"] = values[f"{raw.name}:{index}"] = number
        if raw.op in _WIRES:
            return
        transposed = any(raw.attr[key].b for key in ("transpose_a", "adj_x") if key in raw.attr)
        attributes = {"transpose_a": True} if transposed else {}
        self._nodes.append(
            Node(raw.op, f"{scope}{raw.name}", inputs, tuple(outputs), attributes=attributes, scope=scope)
        )

    def _result(self, raw: Any, name: str, dtype: str, shape: tuple[int, ...] | None) -> Tensor:
        """Return the tensor that a node gives: a constant for variables and Const nodes."""
        if raw.op == "VarHandleOp" and raw.attr["shared_name"].s.decode() in self._variables:
            dtype, shape = self._variables[raw.attr["shared_name"].s.decode()]
        elif raw.op == "VarHandleOp":
            dtype, shape = _dtype(raw.attr["dtype"].type), _shape(raw.attr["shape"].shape)
        elif raw.op == "Const":
            value = raw.attr["value"].tensor
            dtype, shape = _dtype(value.dtype), _shape(value.tensor_shape)
        else:
            return Tensor(name, dtype, shape)
        size = _itemsize(dtype) * prod(shape) if shape is not None and min(shape, default=0) >= 0 else 0
        return Tensor(name, dtype, shape, constant=True, bytes=size, buffer=len(self._tensors))

    def _call(self, raw: Any, inputs: tuple[int, ...], values: dict[str, int], scope: str, depth: int) -> None:
        function = self._functions[raw.attr["f"].func.name]
        arguments = [argument.name for argument in function.signature.input_arg]
        inner = dict(zip((f"{name}:0" for name in arguments), inputs, strict=True))
        wanted = [function.ret[argument.name] for argument in function.signature.output_arg]
        self._walk(_needed(list(function.node_def), wanted), inner, f"{scope}{raw.name}/", depth + 1)
        for index, name in enumerate(wanted):
            number = self._lookup(inner, name)
            values[f"{raw.name}:output:{index}"] = values[f"{raw.name}:{index}"] = number


def _needed(nodes: list[Any], wanted: list[str]) -> list[Any]:
    """Return the nodes that ``wanted`` depends on by data, each after what it reads."""
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, Any] = {}
    stack = [(_key(name).partition(":")[0], False) for name in reversed(wanted)]
    while stack:
        name, ready = stack.pop()
        if name in ordered or name not in by_name:
            continue
        if ready:
            ordered[name] = by_name[name]
            continue
        stack.append((name, True))
        reads = [_key(source).partition(":")[0] for source in by_name[name].input if not source.startswith("^")]
        stack.extend((source, False) for source in reversed(reads) if source not in ordered)
    return list(ordered.values())


def _key(name: str) -> str:
    """Return ``node:0`` for ``node``; a name that has its output stays."""
    return name if ":" in name else f"{name}:0"


def _outputs(raw: Any) -> list[tuple[str, str]]:
    """Return (``argument:index``, dtype) of each output of a node, in its definition's order; a custom one has one."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(raw.op)
    if definition is None:
        return [("output:0", "unknown")]
    found: list[tuple[str, str]] = []
    for argument in definition.output_arg:
        if argument.type_list_attr:
            types = list(raw.attr[argument.type_list_attr].list.type)
        else:
            count = raw.attr[argument.number_attr].i if argument.number_attr else 1
            types = [argument.type or raw.attr[argument.type_attr].type] * count
        found += [(f"{argument.name}:{index}", _dtype(kind)) for index, kind in enumerate(types)]
    return found


def _variables(meta: Any) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """Return name → (dtype, shape) of the saved variables."""
    saved = (node.variable for node in meta.object_graph_def.nodes if node.WhichOneof("kind") == "variable")
    return {variable.name: (_dtype(variable.dtype), _shape(variable.shape)) for variable in saved}


def _dtype(number: int) -> str:
    from tensorflow.core.framework import types_pb2

    name = str(types_pb2.DataType.Name(number)).removeprefix("DT_").lower()
    return {"float": "float32", "half": "float16", "double": "float64", "invalid": "unknown"}.get(name, name)


def _itemsize(dtype: str) -> int:
    try:
        return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    except TypeError:
        return 0


def _shape(raw: Any) -> tuple[int, ...] | None:
    return None if raw.unknown_rank else tuple(dim.size for dim in raw.dim)
