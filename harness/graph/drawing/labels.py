"""What boxes and arrows say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap

from harness.graph.drawing.names import Layers
from harness.graph.drawing.picture import Line
from harness.graph.drawing.repeats import Row, stride, weight, weight_dtype
from harness.graph.drawing.steps import Flow, Step
from harness.graph.families import families
from harness.graph.model import Node, Tensor
from harness.graph.ops import MAC_OPS

WIDTH = 36
"""Characters of a line; a longer one is cut in the middle, its whole text is in the tooltip."""
_TOOLTIP = 600
_LINES = 4


def step_lines(flow: Flow, step: Step, known: Layers) -> tuple[Line, ...]:
    """Return operator, layer, what else belongs to the step, and its weights."""
    dtype = flow.carried(step.outputs[0]).dtype if step.outputs else ""
    lines = [Line(_headline(flow, step), dtype, strong=True)]
    layer = known.whole(step.lead.name)
    if layer and layer != step.lead.op:
        lines.append(Line(clip(layer)))
    lines += [Line(clip(text)) for text in _also(step)]
    stored = weight(flow, step)
    if stored is not None and weight_dtype(flow, step):
        channels = f", {len(stored.scales)} scales" if len(stored.scales) > 1 else ""
        lines.append(Line(f"weights {sizes(stored.shape)} {stored.dtype}{channels}", stored.dtype))
    return tuple(lines)


def _headline(flow: Flow, step: Step) -> str:
    parts = [clip(step.lead.op)]
    if window := _window(flow, step.lead):
        parts.append(window)
    factor = stride(flow, step)
    if factor > 1 and families().get(step.lead.op) in ("conv", "depthwise", "pool"):
        parts.append(f"/{factor}")
    return " ".join(parts)


def _window(flow: Flow, node: Node) -> str:
    """Return height and width of a kernel of two dimensions, empty for other operators."""
    op = MAC_OPS.get(node.op)
    if op is None or families().get(node.op) not in ("conv", "depthwise"):
        return ""
    kernel = flow.graph.tensor(node.inputs, op.weight)
    shape = None if kernel is None else kernel.shape
    if shape is None or len(shape) != 4:
        return ""
    if node.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return sizes(shape[1:3])
    return sizes(shape[2:4] if flow.graph.format == "onnx" else shape[:2])


def _also(step: Step) -> list[str]:
    """Return the other operators of a step, in lines; ONNX's way to write a rounding is one word."""
    words = [node.op for node in step.nodes if node is not step.lead and node.op != "Identity"]
    activation = step.lead.attributes.get("activation")
    if activation:
        words.insert(0, str(activation))
    text = " + ".join(words).replace("QuantizeLinear + DequantizeLinear", "Q/DQ")
    return wrap(f"+ {text}", WIDTH)[:_LINES] if words else []


def row_lines(flow: Flow, row: Row) -> tuple[Line, ...]:
    """Return the names of a row of blocks, how large the image in them is, and how many steps have which dtype."""
    first, last = row.blocks[0].name, row.blocks[-1].last or row.blocks[-1].name
    name = first if first == last else f"{first} … {last}"
    steps = [flow.steps[step] for step in row.blocks[0].steps]
    dtypes = Counter(flow.carried(step.outputs[0]).dtype for step in steps if step.outputs)
    each = " each" if len(row.blocks) > 1 else ""
    lines = [Line(clip(name) or f"{len(row.blocks)} blocks", strong=True)]
    lines += [
        Line(f"{count} step{'s' if count > 1 else ''}{each}, {dtype}", dtype) for dtype, count in dtypes.most_common()
    ]
    return tuple(lines)


def arrow_lines(tensor: Tensor) -> tuple[str, ...]:
    """Return the shape of a value, and dtype, scale and zero point of a quantized one."""
    lines = [sizes(tensor.shape)]
    if len(tensor.scales) == 1:
        lines.append(f"{tensor.dtype}  s {tensor.scales[0]:.3g}  z {tensor.zero_points[0]}")
    elif tensor.scales:
        lines.append(f"{tensor.dtype}  s {min(tensor.scales):.2g}…{max(tensor.scales):.2g}")
    return tuple(lines)


def sizes(shape: Sequence[int] | None) -> str:
    """Return ``1×24×24×32``; ``?`` for what is unknown."""
    if shape is None:
        return "? (rank unknown)"
    return "×".join("?" if size < 0 else str(size) for size in shape) or "scalar"


def tensor_tooltip(tensor: Tensor) -> str:
    """Return everything known of a value but its content."""
    text = f"{tensor.name}\n{tensor.dtype} {sizes(tensor.shape)}"
    if len(tensor.scales) == 1:
        text += f"\nscale {tensor.scales[0]!r}, zero point {tensor.zero_points[0]}"
    return clip(text, _TOOLTIP)


def step_tooltip(step: Step) -> str:
    """Return all operators of a step with their names."""
    return clip("\n".join(f"{node.op}: {node.name}" for node in step.nodes), _TOOLTIP)


def clip(text: str, width: int = WIDTH) -> str:
    """Return ``text`` with its middle left out when it is long."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
