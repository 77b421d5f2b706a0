"""For each reader of a dequantized constant integers and a zero point of its own.

Converters let constants of equal values share them: kernels of one size their zero point, products with the same number
that number; tf2onnx even takes the zero point of one constant for the integers of another, where both are 0. Where a
processor overflows in sums of int8 products, ONNX Runtime can be asked to turn constants to uint8
(``session.x64quantprecision``). It then renames the integers and the zero point of each, and a second reader of the
same ones stops it: "Attempt to replace the existing tensor" (1.32.0).
"""

from __future__ import annotations

from typing import Any

from harness.qdq.graph import DEQUANTIZE, Names

_WORDS = {0: "integers", 2: "zero_point"}
"""Operand of DequantizeLinear → what it is."""


def apply(model: Any) -> int:
    """Change the model in place, not its function; return how many constants and operators were copied."""
    names = Names(model.graph)
    nodes: list[Any] = []
    copies, seen = 0, set[str]()
    for node in model.graph.node:
        if node.op_type != DEQUANTIZE or len(node.input) < 3 or node.input[0] not in names.constants:
            nodes.append(node)
            continue
        for one in _one_for_each_reader(node, names):
            copies += (one is not node) + _unshare(one, names, seen)
            nodes.append(one)
    if len(nodes) > len(model.graph.node):
        names.replace(nodes)
    return copies


def _one_for_each_reader(node: Any, names: Names) -> list[Any]:
    """Return the operator, and copies of it that its second reader and those after it read instead."""
    value = node.output[0]
    readers = names.consumers.get(value, [])
    found = [node]
    for reader in readers[1:] if value not in names.ports else []:
        copy = type(node)()
        copy.CopyFrom(node)
        copy.output[0] = copy.name = names.fresh(f"{value}_again")
        place = max(i for i, name in enumerate(reader.input) if name == value)  # a reader may read it twice
        reader.input[place] = copy.output[0]
        found.append(copy)
    return found


def _unshare(node: Any, names: Names, seen: set[str]) -> int:
    """Give a node constants that none before it has; return how many were copied."""
    copied = 0
    for place, word in _WORDS.items():
        values = names.value(node.input[place])
        if values is not None and node.input[place] in seen:
            node.input[place] = names.add(names.fresh(f"{node.output[0]}_{word}"), values)
            copied += 1
        seen.add(node.input[place])
    return copied
