"""A zero point of its own for each kernel: converters let kernels of equal size share one.

Where a processor overflows in sums of int8 products, ONNX Runtime can be asked to turn kernels to uint8
(``session.x64quantprecision``). It then renames each kernel's zero point, and a second kernel with the same one stops
it: "Attempt to replace the existing tensor" (1.32.0).
"""

from __future__ import annotations

from typing import Any

from harness.qdq.graph import DEQUANTIZE, Names


def apply(model: Any) -> int:
    """Change the model in place, not its function; return how many kernels got a zero point of their own."""
    names = Names(model.graph)
    seen: set[str] = set()
    changed = 0
    for node in model.graph.node:
        if node.op_type != DEQUANTIZE or len(node.input) < 3 or node.input[0] not in names.constants:
            continue
        zero = names.value(node.input[2])
        if zero is not None and node.input[2] in seen:
            node.input[2] = names.add(names.fresh(f"{node.input[0]}_zero_point"), zero)
            changed += 1
        seen.add(node.input[2])
    return changed
