"""Read the signature's graph of a SavedModel, its functions inlined, without loading it.

The values of its variables stay in the checkpoint: they have a dtype, a shape and a size, and no data. Those of
constants are views of the file, except small ones.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from harness.errors import StageFailed
from harness.graph import graph_def
from harness.graph.mapped import mapped
from harness.graph.model import ABSENT, Graph, Node, Signature, Tensor
from harness.graph.tensorflow_attributes import attributes
from harness.graph.tensorflow_constants import GRAPH_DEF, Constants, StoredConstants, dtype_name, item_size, shape_of
from harness.graph.wire import Fields, slim

SIGNATURE = "serving_default"
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_VARIABLES = ("VarHandleOp", "Variable", "VariableV2")
_WIRES = ("Placeholder", "NoOp", *_VARIABLES)
_DEPTH = 50
_SAVED = Fields(messages={2: Fields(messages={2: GRAPH_DEF})})


def read(path: Path) -> Graph:
    """Return what the signature ``serving_default`` of the SavedModel in folder ``path`` computes.

    Raises:
        StageFailed: ``broken_file``, when it is not a whole, sound SavedModel with that signature.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        read = slim(mapped(path / "saved_model.pb"), _SAVED)
        saved.ParseFromString(read.message)
        if not saved.meta_graphs or SIGNATURE not in saved.meta_graphs[0].signature_def:
            raise ValueError(f"it has no signature '{SIGNATURE}'")
        return read_meta(saved.meta_graphs[0], "saved_model", StoredConstants(read))
    except OSError as error:
        raise StageFailed(f"{path.name}: {error}", "broken_file") from error
    except (DecodeError, ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound SavedModel: {error}", "broken_file") from error


def read_meta(meta: Any, format: str, constants: Constants) -> Graph:
    """Return what the signature ``serving_default`` of a ``MetaGraphDef`` computes, as a graph of ``format``.

    Raises what a graph that is not sound leads to: ``ValueError``, ``TypeError``, ``LookupError``, ``RecursionError``.
    """
    return _Reader(meta, constants).graph(format)


def add_signature(meta: Any) -> None:
    """Give a graph without a signature one: placeholders go in, what nobody reads comes out."""
    graph = meta.graph_def
    signature = meta.signature_def[SIGNATURE]
    nodes = {node.name: node for node in graph.node}
    for name in graph_def.inputs(graph):
        info = signature.inputs[name]
        info.name, info.dtype = f"{name}:0", nodes[name].attr["dtype"].type
        info.tensor_shape.CopyFrom(nodes[name].attr["shape"].shape)
    for name in graph_def.outputs(graph):
        signature.outputs[name].name = f"{name}:0"


class _Reader:
    """Walks from the signature's outputs back to its inputs and into the functions that it calls."""

    def __init__(self, meta: Any, constants: Constants) -> None:
        self._meta, self._constants = meta, constants
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
        nodes, tensors = tuple(self._nodes), tuple(self._tensors)
        return Graph(format, nodes, tensors, inputs, outputs, signatures=_signatures(self._meta))

    def _port(self, info: Any, values: dict[str, int]) -> int:
        number = self._add(Tensor(info.name, dtype_name(info.dtype), shape_of(info.tensor_shape)))
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
            shape = shape_of(shapes[index]) if index < len(shapes) else None
            number = self._add(self._result(raw, f"{scope}{raw.name}", dtype, shape))
            outputs.append(number)
            values[f"{raw.name}:{suffix}"] = values[f"{raw.name}:{index}"] = number
        if raw.op in _WIRES:
            return
        name, custom = f"{scope}{raw.name}", not _known(raw.op)
        self._nodes.append(Node(raw.op, name, inputs, tuple(outputs), custom, attributes=attributes(raw), scope=scope))

    def _result(self, raw: Any, name: str, dtype: str, shape: tuple[int, ...] | None) -> Tensor:
        """Return the tensor that a node gives: a constant for variables and Const nodes."""
        if raw.op == "VarHandleOp" and raw.attr["shared_name"].s.decode() in self._variables:
            dtype, shape = self._variables[raw.attr["shared_name"].s.decode()]
        elif raw.op in _VARIABLES:
            dtype, shape = dtype_name(raw.attr["dtype"].type), shape_of(raw.attr["shape"].shape)
        elif raw.op == "Const":
            return self._constants.tensor(raw, name, len(self._tensors))
        else:
            return Tensor(name, dtype, shape)
        size = item_size(dtype) * prod(shape) if shape is not None and min(shape, default=0) >= 0 else 0
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
    """Return the nodes that ``wanted`` depends on by data, each after what it reads, but for loops of TensorFlow 1."""
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, Any] = {}
    opened: set[str] = set()
    stack = [(_key(name).partition(":")[0], False) for name in reversed(wanted)]
    while stack:
        name, ready = stack.pop()
        if name in ordered or name not in by_name:
            continue
        if ready:
            ordered[name] = by_name[name]
            continue
        if name in opened:
            continue
        opened.add(name)
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
        kind = raw.attr["T"].type if _known(raw.op) and "T" in raw.attr else 0
        return [("output:0", dtype_name(kind) if kind else "unknown")]
    found: list[tuple[str, str]] = []
    for argument in definition.output_arg:
        if argument.type_list_attr:
            types = list(raw.attr[argument.type_list_attr].list.type)
        else:
            count = raw.attr[argument.number_attr].i if argument.number_attr else 1
            types = [argument.type or raw.attr[argument.type_attr].type] * count
        found += [(f"{argument.name}:{index}", dtype_name(kind)) for index, kind in enumerate(types)]
    return found


def _known(op: str) -> bool:
    """Return whether TensorFlow itself has the operator; it has those with an underscore, which Grappler makes."""
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op) is not None or op in ("FusedDepthwiseConv2dNative", "Prelu")  # of TensorFlow.js


def _signatures(meta: Any) -> tuple[Signature, ...]:
    found = ((name, one) for name, one in sorted(meta.signature_def.items()) if not name.startswith("__"))
    return tuple(Signature(name, tuple(sorted(one.inputs)), tuple(sorted(one.outputs))) for name, one in found)


def _variables(meta: Any) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """Return name → (dtype, shape) of the saved variables."""
    saved = (node.variable for node in meta.object_graph_def.nodes if node.WhichOneof("kind") == "variable")
    return {variable.name: (dtype_name(variable.dtype), shape_of(variable.shape)) for variable in saved}
