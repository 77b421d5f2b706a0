"""Activations from int8 to uint8: the same numbers, 128 higher, and so is the zero point.

TFLite's activations are int8. ONNX Runtime turns some of them to uint8 when it loads a file (behind a ``Clip``, before
a residual sum), and a convolution whose input and output differ then stays in float between two conversions: of
MobileNetV2's 52, 16. With uint8 throughout, all 52 are integer kernels and an inference takes half the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from harness.qdq.graph import DEQUANTIZE, HANDED_ON, QUANTIZE, Names

SHIFT = 128


def apply(model: Any) -> int:
    """Change the model in place; return how many QuantizeLinear and DequantizeLinear nodes are uint8 now.

    Inputs and outputs of the model keep their dtype, with a conversion on the inside; integers that other operators
    read stay as they are.
    """
    names = Names(model.graph)
    _set_ports_apart(names)
    pairs = [node for node in model.graph.node if node.op_type in (QUANTIZE, DEQUANTIZE) and _is_signed(node, names)]
    fixed = names.ports | names.constants.keys()
    groups = _groups(names)
    held = {groups.get(name, name) for name in fixed} | {groups.get(name, name) for name in _others(names)}
    changed = 0
    for node in pairs:
        integer = node.output[0] if node.op_type == QUANTIZE else node.input[0]
        if groups.get(integer, integer) in held:
            continue
        zero = names.value(node.input[2])
        assert zero is not None
        node.input[2] = names.add(f"{node.input[2]}_uint8", (zero.astype(np.int16) + SHIFT).astype(np.uint8))
        changed += 1
    if changed:
        names.tidy()
    return changed


def _set_ports_apart(names: Names) -> None:
    """Put DequantizeLinear and QuantizeLinear between each int8 port and the graph: the same integers.

    Without them the first convolution of a model with int8 inputs reads int8 and gives uint8, and stays in float.
    """
    from onnx import TensorProto, helper

    first: list[Any] = []
    last: list[Any] = []
    given, nodes = {one.name for one in names.graph.input}, list(names.graph.node)
    for port in (*names.graph.input, *names.graph.output):
        grid = _grid(port.name, names) if port.type.tensor_type.elem_type == TensorProto.INT8 else None
        if grid is None:
            continue
        real, inside = names.fresh(f"{port.name}_real"), names.fresh(f"{port.name}_inside")
        for node in nodes:
            _rename(node.input, port.name, inside)
            _rename(node.output, port.name, inside)
        ends = (port.name, inside) if port.name in given else (inside, port.name)
        beside = first if port.name in given else last
        beside.append(helper.make_node(DEQUANTIZE, [ends[0], *grid], [real], name=real))
        beside.append(helper.make_node(QUANTIZE, [real, *grid], [ends[1]], name=f"{inside}_quantize"))
    if first or last:
        names.replace([*first, *nodes, *last])


def _rename(values: Any, old: str, new: str) -> None:
    for place, name in enumerate(values):
        if name == old:
            values[place] = new


def _grid(port: str, names: Names) -> tuple[str, str] | None:
    """Return the names of scale and zero point of a port, None when it has no int8 grid."""
    groups = _groups(names)
    for node in names.graph.node:
        integer = node.output[0] if node.op_type == QUANTIZE else node.input[0] if node.op_type == DEQUANTIZE else None
        same = integer is not None and groups.get(integer, integer) == groups.get(port, port)
        if same and _is_signed(node, names):
            return node.input[1], node.input[2]
    return None


def _is_signed(node: Any, names: Names) -> bool:
    """Return whether a node rounds to, or reads, int8 with one scale."""
    zero = names.value(node.input[2]) if len(node.input) > 2 else None
    return zero is not None and zero.dtype == np.int8 and zero.ndim == 0


def _groups(names: Names) -> dict[str, str]:
    """Return value → the first of the values that must have its dtype, for all that are handed on."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.get(name, name) != name:
            name = parent[name]
        return name

    for node in names.graph.node:
        if node.op_type in HANDED_ON:
            first, *rest = _data(node) + list(node.output)
            for name in rest:
                parent[root(name)] = root(first)
    return {name: root(name) for name in [*parent, *names.producers, *names.constants]}


def _data(node: Any) -> list[str]:
    """Return the inputs that hold data, not shapes or positions; the value that pads is data as well."""
    if node.op_type == "Concat":
        return list(node.input)
    if node.op_type == "Pad":
        return [name for name in (node.input[0], *node.input[2:3]) if name]
    return [node.input[0]]


def _others(names: Names) -> Iterable[str]:
    """Yield integer values that something else than conversions and movers reads or makes."""
    for node in names.graph.node:
        if node.op_type not in HANDED_ON and node.op_type != QUANTIZE:
            yield from node.output
        if node.op_type not in HANDED_ON and node.op_type != DEQUANTIZE:
            yield from node.input
