"""What a graph is, in numbers: ports, operators, parameters, bytes, multiply-adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.graph.legal.names import UNKNOWN, Legal, legalize
from harness.graph.model import Graph, Signature, Tensor


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    """None: rank unknown; -1: free."""
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A model file in numbers."""

    format: str
    opset: int | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    signatures: tuple[Signature, ...]
    ops: Mapping[str, int]
    """Operators as the file has them → how many, most frequent first."""
    legal_ops: Mapping[str, int]
    """The same in legal names, fused ones unfolded, without what is computed from constants alone."""
    unknown_ops: Mapping[str, int]
    """Operators that no table has, or not in the file's opset."""
    parameters: int
    """Numbers in constants that are operands of arithmetic; shared ones once, single numbers not."""
    kernel_parameters: int
    """Those of convolutions and matrix products, without biases: the same in every format."""
    bytes_by_dtype: Mapping[str, int]
    """Of all constants."""
    macs: int
    """Multiply-adds for one image, those that can be counted."""
    uncounted_ops: Mapping[str, int]
    """Operators with multiply-adds that could not be counted: unknown shapes, or recurrent ones."""


def summarize(graph: Graph) -> Summary:
    """Return the numbers of ``graph``; no large constant is looked into."""
    legal = legalize(graph)
    return Summary(
        format=graph.format,
        opset=graph.opset,
        inputs=_ports(graph, graph.inputs),
        outputs=_ports(graph, graph.outputs),
        signatures=graph.signatures,
        ops=_counted(node.op for node in graph.nodes),
        legal_ops=_counted(node.op for node in legal.running),
        unknown_ops=dict(sorted(legal.unknown.items())),
        parameters=legal.parameters(),
        kernel_parameters=_kernels(legal),
        bytes_by_dtype=_bytes(graph.tensors),
        macs=sum(count or 0 for count in legal.macs),
        uncounted_ops=_uncounted(legal),
    )


def _ports(graph: Graph, numbers: Mapping[str, int]) -> tuple[Port, ...]:
    return tuple(_port(name, graph.tensors[number]) for name, number in numbers.items())


def _port(name: str, tensor: Tensor) -> Port:
    if len(tensor.scales) == 1:
        return Port(name, tensor.dtype, tensor.shape, tensor.scales[0], tensor.zero_points[0])
    return Port(name, tensor.dtype, tensor.shape)


def _counted(ops: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(ops).items(), key=lambda one: (-one[1], one[0])))


def _kernels(legal: Legal) -> int:
    return legal.parameters([node for node in legal.graph.nodes if legal.kind(node) == "products"])


def _bytes(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Return dtype → bytes, constants that share a buffer once."""
    seen: set[int] = set()
    found: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.constant and tensor.buffer not in seen:
            seen.add(tensor.buffer)
            found[tensor.dtype] += tensor.bytes
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _uncounted(legal: Legal) -> dict[str, int]:
    pairs = zip(legal.graph.nodes, legal.macs, strict=True)
    return _counted(node.op for node, macs in pairs if macs is None or legal.kind(node) in ("uncounted", UNKNOWN))
