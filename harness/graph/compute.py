"""In which arithmetic a node computes, read from the dtypes around it.

``int8``
    8-bit activations and 8-bit weights: integer kernels.
``int16``
    16-bit activations, 8-bit weights.
``hybrid``
    float activations and 8-bit weights (dynamic range): the kernel quantizes the activations on the fly,
    multiplies in int8 and gives float again. Scales, bias and activation function are float.
``float``
    float activations. Weights may be stored smaller: float16 constants behind a DEQUANTIZE do not change it, and
    TensorFlow.js unpacks whatever it loads to float32.
``other``
    integers that are no quantized activations, such as the arithmetic of shapes.
``none``
    no arithmetic: conversions between dtypes, and moving data about (see ``ops``).

In ONNX's QDQ form an operator is written in float between DequantizeLinear and QuantizeLinear: the format's
way to ask for an integer kernel. It counts as what it asks for when its data and its weights both come from
8-bit numbers and its output goes back to them; how many of them a runtime really fuses only it can say.
"""

from __future__ import annotations

from typing import Literal

from harness.graph.model import ABSENT, BYTES, FLOATS, Graph, Node, Tensor
from harness.graph.ops import ACTIVATIONS, CONVERSIONS, MAC_OPS, MOVES

Arithmetic = Literal["int8", "int16", "hybrid", "float", "other", "none"]


def arithmetic(graph: Graph, node: Node) -> Arithmetic:
    """Return how ``node`` computes; see the module's docstring for the words."""
    if node.op in CONVERSIONS or node.op in MOVES:
        return "none"
    if graph.format == "onnx":
        asked = _asked_for(graph, node)
        if asked is not None:
            return asked
    if node.op in MAC_OPS:
        return _of_product(graph, node)
    return _of_dtypes({graph.tensors[number].dtype for number in (*node.inputs, *node.outputs) if number >= 0})


def is_float_compute(graph: Graph, node: Node) -> bool:
    """Return whether ``node`` computes in float, wholly or (hybrid) in part."""
    return arithmetic(graph, node) in ("float", "hybrid")


def _of_product(graph: Graph, node: Node) -> Arithmetic:
    op = MAC_OPS[node.op]
    data, weight = graph.tensor(node.inputs, op.data), graph.tensor(node.inputs, op.weight)
    if data is None or weight is None:
        return "other"
    if data.dtype in FLOATS:
        return "hybrid" if weight.dtype in BYTES and graph.format != "tfjs" else "float"
    if weight.dtype in BYTES and data.dtype in (*BYTES, "int16"):
        return "int16" if data.dtype == "int16" else "int8"
    return _of_dtypes({data.dtype, weight.dtype})


def _of_dtypes(dtypes: set[str]) -> Arithmetic:
    if dtypes & FLOATS:
        return "float"
    if "int16" in dtypes:
        return "int16"
    return "int8" if dtypes & BYTES else "other"


def _behind(graph: Graph, number: int) -> Tensor:
    """Return the tensor that a DequantizeLinear reads, however its result was moved about, or the tensor itself."""
    producer = graph.producers.get(number)
    while producer is not None and producer.op in MOVES and producer.inputs:
        producer = graph.producers.get(producer.inputs[0])
    if producer is not None and producer.op == "DequantizeLinear" and producer.inputs:
        return graph.tensors[producer.inputs[0]]
    return graph.tensors[number]


def _asked_for(graph: Graph, node: Node) -> Arithmetic | None:
    """Return the arithmetic of an ONNX operator that is quantized by its name or by its neighbours."""
    if node.op in ("MatMulInteger", "ConvInteger") and node.inputs:
        producer = graph.producers.get(node.inputs[0])
        return "hybrid" if producer is not None and producer.op == "DynamicQuantizeLinear" else "int8"
    if node.op.rpartition(".")[2].startswith(("QLinear", "QGemm")):  # float inputs are scales only
        return _of_dtypes({graph.tensors[number].dtype for number in node.inputs if number >= 0} - FLOATS)
    if node.op in ACTIVATIONS and node.inputs:
        before = graph.producers.get(node.inputs[0])
        if before is not None and before.op not in CONVERSIONS and before.op not in MOVES:
            return _between(graph, before)
    return _between(graph, node)


def _between(graph: Graph, node: Node) -> Arithmetic | None:
    """Return the arithmetic of a node between DequantizeLinear and QuantizeLinear, None for any other."""
    if not all(_goes_to_quantize(graph, number) for number in node.outputs if number != ABSENT):
        return None
    op = MAC_OPS.get(node.op)
    needed = node.inputs
    if op is not None and len(node.inputs) > max(op.data, op.weight):
        needed = (node.inputs[op.data], node.inputs[op.weight])
    elif node.op in ACTIVATIONS:
        needed = node.inputs[:1]
    floats = [number for number in needed if number != ABSENT and graph.tensors[number].dtype in FLOATS]
    dtypes = {_behind(graph, number).dtype for number in floats}
    return None if not dtypes or dtypes & FLOATS else _of_dtypes(dtypes)


def _goes_to_quantize(graph: Graph, number: int, activations: int = 1, movers: int = 4) -> bool:
    """Return whether every reader of a tensor quantizes it, with at most so many other operators in between."""
    readers = graph.consumers.get(number, [])
    if not readers or number in graph.outputs.values():
        return False
    return all(
        reader.op == "QuantizeLinear"
        or (reader.op in ACTIVATIONS and activations and _goes_to_quantize(graph, reader.outputs[0], 0, movers))
        or (reader.op in MOVES and movers and reader.outputs
            and _goes_to_quantize(graph, reader.outputs[0], activations, movers - 1))
        for reader in readers
    )  # fmt: skip
