"""How an operator becomes legal ones: one function for each word in the column ``recipe`` of the tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.graph.legal.activations import activation, clipped, sixth
from harness.graph.legal.products import Product, product
from harness.graph.legal.tables import Entry
from harness.graph.legal.unfolding import Step, Unfolding
from harness.graph.model import ABSENT, FLOATS, Node, Tensor

Recipe = Callable[[Unfolding, Node, Entry], None]
_BIAS = FLOATS | {"int32", "int64"}


def renamed(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """The same operator under its legal name, and the activation that is fused into it."""
    if entry.legal == "Identity" and len(node.inputs) == len(node.outputs) > 1:
        for source, target in zip(node.inputs, node.outputs, strict=True):
            unfolding.emit("Identity", (source,), (target,))
        return
    steps = _activated(unfolding, node) if node.inputs and node.outputs else []
    if not steps:
        unfolding.emit(entry.legal, node.inputs, node.outputs, node.attributes)
        return
    kept = {key: value for key, value in node.attributes.items() if key != "activation"}
    unfolding.chain(node.inputs[0], [Step(entry.legal, node.inputs[1:], kept), *steps], node.outputs)


def _activated(unfolding: Unfolding, node: Node) -> list[Step]:
    return activation(unfolding, str(node.attributes.get("activation", "")), _alpha(node))


def _alpha(node: Node) -> float | None:
    value = node.attributes.get("alpha", node.attributes.get("negative_slope"))
    return None if value is None else float(value)


def with_bias(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """A product, the bias that is added, the activation."""
    found = product(unfolding.raw, node, entry)
    steps = [_product_step(node, found)]
    bias = unfolding.raw.tensor(node.inputs, found.bias)
    if bias is not None and bias.dtype in _BIAS and not _is_point(bias, node):
        steps.append(Step("Add", (node.inputs[found.bias],)))
    _put(unfolding, node, found.data, [*steps, *_activated(unfolding, node)])


def _is_point(bias: Tensor, node: Node) -> bool:
    """Return whether what stands in a bias's place is a limit or a zero point."""
    return node.op in ("QuantizedConv2D", "QuantizedDepthwiseConv2D", "QuantizedMatMul") and bias.elements == 1


def _product_step(node: Node, found: Product) -> Step:
    more = (node.inputs[found.weight],) if found.weight < len(node.inputs) else ()
    return Step(found.op, more, found.attributes, found.macs)


def _put(unfolding: Unfolding, node: Node, data: int, steps: list[Step]) -> None:
    first = node.inputs[data] if data < len(node.inputs) else ABSENT
    unfolding.chain(first, steps, node.outputs)


def fused_product(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """A product and what Grappler fused into it, in the order of ``fused_ops``."""
    found = product(unfolding.raw, node, entry)
    steps, place = [_product_step(node, found)], 2
    for word in filter(None, str(node.attributes.get("fused_ops", "")).split(",")):
        if word in ("BiasAdd", "Add", "AddV2"):
            steps.append(Step("Add", node.inputs[place : place + 1]))
            place += 1
        elif word.startswith("FusedBatchNorm"):
            kept = {key: node.attributes[key] for key in ("epsilon",) if key in node.attributes}
            steps.append(Step("BatchNorm", node.inputs[place : place + 4], kept))
            place += 4
        elif word == "Prelu":
            steps.append(Step("PRelu", node.inputs[place : place + 1]))
            place += 1
        else:
            steps += activation(unfolding, word, _alpha(node))
    _put(unfolding, node, found.data, steps)


def separable(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """A depthwise convolution and a 1×1 one: inputs are data, two kernels, bias."""
    data, output = unfolding.raw.tensor(node.inputs, 0), unfolding.raw.tensor(node.outputs, 0)
    kernel = unfolding.raw.tensor(node.inputs, 1)
    shape = None
    if data and output and kernel and data.shape and output.shape and kernel.shape and kernel.elements is not None:
        shape = (*output.shape[:-1], kernel.shape[-1] * kernel.shape[-2])
    between = len(unfolding.tensors)
    unfolding.tensors.append(Tensor(node.name, output.dtype if output else "unknown", shape))
    parts = (node.inputs[:2], (between, *node.inputs[2:]))
    outer = Node(node.op, node.name, parts[0], (between,), attributes=_only_steps(node))
    depthwise = _product_of(unfolding, outer, Entry("DepthwiseConv2D", layout="HWIM"))
    unfolding.chain(node.inputs[0], [_product_step(outer, depthwise)], (between,))
    inner = Node(node.op, node.name, parts[1], node.outputs)
    steps = [_product_step(inner, _product_of(unfolding, inner, entry))]
    if len(node.inputs) > 3:
        steps.append(Step("Add", (node.inputs[3],)))
    unfolding.chain(between, [*steps, *_activated(unfolding, node)], node.outputs)


def _only_steps(node: Node) -> dict[str, int | float | str | bool]:
    return {key: value for key, value in node.attributes.items() if key != "activation"}


def _product_of(unfolding: Unfolding, node: Node, entry: Entry) -> Product:
    """Return a product over tensors that the raw graph has not."""
    from harness.graph.model import Graph

    return product(Graph(unfolding.raw.format, (), tuple(unfolding.tensors), {}, {}), node, entry)


def batch_norm(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """Inputs are data, scale, shift, mean and variance, ABSENT for what there is not."""
    if unfolding.raw.format == "keras":
        rest = list(node.inputs[1:])
        flags = (bool(node.attributes.get("scale", True)), bool(node.attributes.get("center", True)))
        scale, shift = (rest.pop(0) if flag and len(rest) > 2 else ABSENT for flag in flags)
        parameters = (scale, shift, *rest)
    else:
        order = entry.order or (1, 2, 3, 4)
        parameters = tuple(node.inputs[place] if place < len(node.inputs) else ABSENT for place in order)
    kept = {key: node.attributes[key] for key in ("epsilon",) if key in node.attributes}
    steps = [Step("BatchNorm", parameters, kept)]
    fused = str(node.attributes.get("fused_ops", "Identity"))
    if fused != "Identity":
        if len(node.inputs) > 5:
            steps.append(Step("Add", node.inputs[5:6]))
        steps += activation(unfolding, fused)
    _put(unfolding, node, 0, steps)


def normalization(unfolding: Unfolding, node: Node, entry: Entry) -> None:  # noqa: ARG001 - a recipe
    """Keras's Normalization: minus the mean, by the square root of the variance."""
    _, mean, variance = node.inputs[:3] if len(node.inputs) > 2 else (ABSENT, ABSENT, ABSENT)
    stored = unfolding.raw.tensor(node.inputs, 2)
    deviation = len(unfolding.tensors)
    data = None if stored is None or stored.data is None else np.maximum(np.sqrt(stored.data), 1e-7)
    shape = None if stored is None else stored.shape
    unfolding.tensors.append(
        Tensor(f"{node.name}/deviation", "float32", shape, constant=True, buffer=variance, data=data)
    )
    _put(unfolding, node, 0, [Step("Sub", (mean,)), Step("Div", (deviation,))])


def rescaling(unfolding: Unfolding, node: Node, entry: Entry) -> None:  # noqa: ARG001 - a recipe
    """Keras's Rescaling: times a scale, plus an offset."""
    _put(unfolding, node, 0, [Step("Mul", node.inputs[1:2]), Step("Add", node.inputs[2:3])])


def average_pool(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """An average over everything that there is to see is a mean."""
    data, output = unfolding.raw.tensor(node.inputs, 0), unfolding.raw.tensor(node.outputs, 0)
    whole = output is not None and output.shape is not None and len(output.shape) > 2
    spatial = () if output is None or output.shape is None or not whole else _spatial(unfolding, output.shape)
    before = () if data is None or data.shape is None else _spatial(unfolding, data.shape)
    window = str(node.attributes.get("kernel_size", ""))
    if spatial and set(spatial) == {1} and window == "x".join(map(str, before)):
        entry = Entry("Mean")
    renamed(unfolding, node, entry)


def _spatial(unfolding: Unfolding, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[2:] if unfolding.raw.format == "onnx" else shape[1:-1]


def one_activation(unfolding: Unfolding, node: Node, entry: Entry) -> None:
    """An operator that is an activation: by the table, or by the attribute of Keras's layer."""
    word = entry.activation or str(node.attributes.get("activation", ""))
    _put(unfolding, node, 0, activation(unfolding, word, _alpha(node)) or [Step("Identity")])


def relu_layer(unfolding: Unfolding, node: Node, entry: Entry) -> None:  # noqa: ARG001 - a recipe
    """Keras's ReLU with its limit and slope."""
    high, slope = node.attributes.get("max_value"), float(node.attributes.get("negative_slope", 0))
    if slope:
        step = Step("LeakyRelu", attributes={"alpha": slope})
    else:
        low = float(node.attributes.get("threshold", 0))
        step = clipped(low, None if high is None else float(high))
    _put(unfolding, node, 0, [step])


def clip(unfolding: Unfolding, node: Node, entry: Entry) -> None:  # noqa: ARG001 - a recipe
    """ONNX's Clip: limits are attributes before opset 11, inputs after it."""
    limits = [_limit(unfolding, node, name, place) for place, name in ((1, "min"), (2, "max"))]
    _put(unfolding, node, 0, [clipped(*limits)])


def _limit(unfolding: Unfolding, node: Node, name: str, place: int) -> float | None:
    if name in node.attributes:
        return float(node.attributes[name])
    tensor = unfolding.raw.tensor(node.inputs, place)
    return None if tensor is None or tensor.data is None or tensor.data.size != 1 else float(tensor.data.reshape(-1)[0])


def hard_sigmoid(unfolding: Unfolding, node: Node, entry: Entry) -> None:  # noqa: ARG001 - a recipe
    """ONNX's HardSigmoid; with a slope of 1/6 it is half of a hard swish."""
    slope, shift = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
    if abs(slope - 1 / 6) < 1e-5 and shift == 0.5:
        steps = sixth(unfolding)
    else:
        scale, offset = unfolding.number(slope), unfolding.number(shift)
        steps = [Step("Mul", (scale,)), Step("Add", (offset,)), Step("Clip", attributes={"min": 0.0, "max": 1.0})]
    _put(unfolding, node, 0, steps)


RECIPES: dict[str, Recipe] = {
    "renamed": renamed,
    "product": with_bias,
    "fused_product": fused_product,
    "separable": separable,
    "batch_norm": batch_norm,
    "normalization": normalization,
    "rescaling": rescaling,
    "average_pool": average_pool,
    "activation": one_activation,
    "activation_layer": one_activation,
    "relu_layer": relu_layer,
    "clip": clip,
    "hard_sigmoid": hard_sigmoid,
}
