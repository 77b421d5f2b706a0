"""A rounding behind what hands integers on: its values lie on the grid already, but a runtime must be told.

A model trained for int8 has no rounding behind a max pooling or a concatenation, because none is needed: the largest of
some integers is one of them. ONNX Runtime makes an integer kernel only of what stands between DequantizeLinear and
QuantizeLinear, so the pooling, and the convolution that reads it, stayed in float.
"""

from __future__ import annotations

from typing import Any

from harness.qdq.graph import DEQUANTIZE, QUANTIZE, Names

OPERATORS = ("MaxPool", "Concat")


def apply(model: Any) -> int:
    """Change the model in place, not its function; return how many operators are between roundings now."""
    from onnx import helper

    names = Names(model.graph)
    nodes: list[Any] = []
    changed = 0
    for node in model.graph.node:
        nodes.append(node)
        made = node.output[0] if node.output else ""
        wanted = node.op_type in OPERATORS and len(node.output) == 1 and made not in names.ports
        grid = names.grid(made) if wanted and not _is_rounded(made, names) else None
        if grid is None:
            continue
        node.output[0], integer = names.fresh(f"{made}_real"), names.fresh(f"{made}_quantized")
        nodes.append(helper.make_node(QUANTIZE, [node.output[0], *grid], [integer], name=integer))
        nodes.append(helper.make_node(DEQUANTIZE, [integer, *grid], [made], name=names.fresh(f"{made}_dequantized")))
        changed += 1
    if changed:
        names.replace(nodes)
        names.tidy()
    return changed


def _is_rounded(name: str, names: Names) -> bool:
    readers = names.consumers.get(name, [])
    return bool(readers) and all(reader.op_type == QUANTIZE for reader in readers)
