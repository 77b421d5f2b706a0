"""Shapes of a GraphDef that has none, by TensorFlow's own rules: graphs of TensorFlow 1 and of TensorFlow.js."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from harness.graph.tensorflow_constants import shape_of

_LIKE = {"FusedDepthwiseConv2dNative": "DepthwiseConv2dNative", "Prelu": "Identity"}
"""Operators that TensorFlow has not, and one of the same shape that it has."""
_ATTRIBUTES = {"DepthwiseConv2dNative": ("T", "strides", "padding", "data_format", "dilations"), "Identity": ("T",)}
_OPERANDS = {"DepthwiseConv2dNative": 2, "Identity": 1}


def infer(graph_def: Any, has_value: Callable[[Any], bool]) -> None:
    """Write ``_output_shapes`` into the nodes of ``graph_def``, unless some are there already.

    ``has_value`` says whether a ``Const`` node holds its value; of the others only the shape is known. Where
    TensorFlow does not take the graph all shapes stay unknown: operators of others are left out, and so is what
    depends on them.
    """
    if any("_output_shapes" in node.attr for node in graph_def.node):
        return
    found = _imported(_known(graph_def, has_value))
    for node in graph_def.node:
        for shape in found.get(node.name, ()):
            node.attr["_output_shapes"].list.shape.add().CopyFrom(shape)


def _known(graph_def: Any, has_value: Callable[[Any], bool]) -> Any:
    """Return a copy that TensorFlow can import: stand-ins for constants without values and for operators of others."""
    from tensorflow.python.framework import op_def_registry

    made = copy.deepcopy(graph_def)
    for node in made.node:
        if node.op == "Const" and not has_value(node):
            shape = copy.deepcopy(node.attr["value"].tensor.tensor_shape)
            _placeholder(node, node.attr["dtype"].type, shape)
        elif node.op in _LIKE:
            node.op = _LIKE[node.op]
            _keep(node, _ATTRIBUTES[node.op], _OPERANDS[node.op])
        elif op_def_registry.get(node.op) is None:
            _placeholder(node, node.attr["T"].type or 1, None)
    return made


def _placeholder(node: Any, dtype: int, shape: Any) -> None:
    node.op = "Placeholder"
    _keep(node, (), 0)
    node.attr["dtype"].type = dtype
    if shape is None:
        node.attr["shape"].shape.unknown_rank = True
    else:
        node.attr["shape"].shape.CopyFrom(shape)


def _keep(node: Any, attributes: tuple[str, ...], operands: int) -> None:
    for name in [name for name in node.attr if name not in attributes]:
        del node.attr[name]
    del node.input[operands:]


def _imported(graph_def: Any) -> dict[str, list[Any]]:
    """Return node name → shapes of its outputs, nothing when TensorFlow refuses the graph."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        try:
            tf.graph_util.import_graph_def(graph_def, name="")
        except (ValueError, TypeError, KeyError, tf.errors.OpError):
            return {}
        operations = graph.get_operations()
        shapes = {one.name: [output.shape.as_proto() for output in one.outputs] for one in operations}
    return {name: known for name, known in shapes.items() if any(shape_of(one) is not None for one in known)}
