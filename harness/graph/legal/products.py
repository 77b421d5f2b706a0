"""Kernels of convolutions and matrix products, whatever the order of their dimensions, and their multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from harness.graph.legal.tables import Entry
from harness.graph.legal.unfolding import Attributes
from harness.graph.macs import of_one, operand
from harness.graph.model import Graph, Node
from harness.graph.ops import MAC_OPS, MacOp

_ONNX = ("OIHW", "IOHW")
"""Layouts that stand for as many dimensions as a kernel has."""
_KEPT = ("strides", "dilations", "padding")


@dataclass(frozen=True, slots=True)
class Product:
    """One product as the legal graph has it."""

    op: str
    data: int
    """Place of the data among the inputs."""
    weight: int
    bias: int
    attributes: Attributes
    macs: int | None


def product(graph: Graph, node: Node, entry: Entry) -> Product:
    """Return what ``node`` multiplies; sizes are missing where they are unknown."""
    places = MAC_OPS.get(node.op, MacOp("conv"))
    data, weight = graph.tensor(node.inputs, places.data), graph.tensor(node.inputs, places.weight)
    if entry.legal == "MatMul":
        return _matrix(graph, node, entry, places)
    stored = _shape(graph, node, places.weight)
    sizes = _sizes(entry.layout, stored) if stored is not None else None
    op = entry.legal
    if sizes is not None and entry.layout in _ONNX:
        op = entry.legal.replace("2D", f"{len(sizes.spatial)}D")
        if sizes.inner == 1 and int(node.attributes.get("group", 1)) > 1:
            op = f"Depthwise{op}"
    attributes = {key: node.attributes[key] for key in _KEPT if key in node.attributes}
    macs = None
    if sizes is not None:
        scatter = "Transpose" in op
        attributes |= {"kernel": "x".join(map(str, sizes.spatial)), "channels": _words(op, sizes)}
        each = prod(sizes.spatial) * (sizes.outer if scatter else sizes.inner)
        elements = of_one(data if scatter else graph.tensor(node.outputs, 0))
        macs = None if elements is None or weight is None else elements * each
    return Product(op, places.data, places.weight, places.bias, attributes, macs)


@dataclass(frozen=True, slots=True)
class _Sizes:
    spatial: tuple[int, ...]
    inner: int
    """Channels that one output meets."""
    outer: int


def _shape(graph: Graph, node: Node, position: int) -> tuple[int, ...] | None:
    """Return the shape of a kernel as the product sees it, else as it is stored."""
    direct = graph.tensor(node.inputs, position)
    if direct is not None and direct.elements is not None:
        return direct.shape
    stored = operand(graph, node, position)
    return None if stored is None or stored.elements is None else stored.shape


def _sizes(layout: str, shape: tuple[int, ...]) -> _Sizes | None:
    if layout in _ONNX:
        layout = layout[:2] + {1: "W", 2: "HW", 3: "DHW"}.get(len(shape) - 2, "")
    if len(layout) != len(shape):
        return None
    sizes = dict(zip(layout, shape, strict=True))
    spatial = tuple(size for letter, size in zip(layout, shape, strict=True) if letter in "DHW")
    if "M" in sizes:
        return _Sizes(spatial, 1, sizes["I"] * sizes["M"])
    return _Sizes(spatial, sizes.get("I", 1), sizes["O"])


def _words(op: str, sizes: _Sizes) -> str:
    return str(sizes.outer) if op.startswith("Depthwise") else f"{sizes.inner}>{sizes.outer}"


def _matrix(graph: Graph, node: Node, entry: Entry, places: MacOp) -> Product:
    """Return a matrix product; what is constant, or else its second operand, is its weight."""
    data, weight = places.data, places.weight
    transposed = bool(node.attributes.get("transpose_b"))
    left, right = operand(graph, node, data), operand(graph, node, weight)
    swapped = left is not None and left.constant and not (right is not None and right.constant)
    if swapped:
        data, weight, transposed = weight, data, not node.attributes.get("transpose_a")
    shape = _shape(graph, node, weight)
    attributes: dict[str, int | float | str | bool] = {}
    if transposed and entry.layout == "IO" and not swapped:
        attributes["transpose_b"] = True
    macs = None
    if shape is not None and len(shape) >= 2:
        inner, outer = (shape[-1], shape[-2]) if (entry.layout == "OI") != transposed else (shape[-2], shape[-1])
        attributes["channels"] = f"{inner}>{outer}"
        elements = of_one(graph.tensor(node.outputs, 0))
        macs = None if elements is None else elements * inner
    return Product("MatMul", data, weight, places.bias, attributes, macs)
