"""A rounding behind each max pooling of integers: what it gives lies on the grid already, but a runtime must be told.

A model trained for int8 has no rounding there, because none is needed: the largest of some integers is one of them.
ONNX Runtime makes an integer kernel only of what stands between DequantizeLinear and QuantizeLinear, so the pooling,
and the convolution that reads it, stayed in float.
"""

from __future__ import annotations

from typing import Any

from harness.qdq.graph import DEQUANTIZE, HANDED_ON, QUANTIZE, Names


def apply(model: Any) -> int:
    """Change the model in place, not its function; return how many poolings are between roundings now."""
    from onnx import helper

    names = Names(model.graph)
    nodes: list[Any] = []
    changed = 0
    for node in model.graph.node:
        nodes.append(node)
        grid = _grid(node.input[0], names) if node.op_type == "MaxPool" and len(node.output) == 1 else None
        if grid is None or node.output[0] in names.ports or _is_rounded(node.output[0], names):
            continue
        made = node.output[0]
        node.output[0], integer = names.fresh(f"{made}_pooled"), names.fresh(f"{made}_quantized")
        nodes.append(helper.make_node(QUANTIZE, [node.output[0], *grid], [integer], name=integer))
        nodes.append(helper.make_node(DEQUANTIZE, [integer, *grid], [made], name=names.fresh(f"{made}_dequantized")))
        changed += 1
    if changed:
        names.replace(nodes)
        names.tidy()
    return changed


def _grid(name: str, names: Names) -> list[str] | None:
    """Return the names of the one scale and zero point that a value's integers have, None when it has none."""
    node = names.producers.get(name)
    while node is not None and node.op_type in HANDED_ON and node.op_type != "Concat":
        node = names.producers.get(node.input[0])
    if node is None or node.op_type != DEQUANTIZE or len(node.input) < 3:
        return None
    scale = names.value(node.input[1])
    return list(node.input[1:3]) if scale is not None and scale.ndim == 0 else None


def _is_rounded(name: str, names: Names) -> bool:
    readers = names.consumers.get(name, [])
    return bool(readers) and all(reader.op_type == QUANTIZE for reader in readers)
