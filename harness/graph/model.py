"""A graph as every reader gives it: small, frozen, the same for each file format.

Tensors are numbered; nodes name their inputs and outputs by those numbers, ``ABSENT`` for an optional
input that is not there. Operator names are the format's own (``CONV_2D``, ``Conv``, ``Conv2D``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from numpy.typing import NDArray

ABSENT = -1
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"})
BYTES = frozenset({"int8", "uint8", "int4", "uint4", "int2"})
"""Integer dtypes that kernels multiply as 8-bit numbers (the narrower ones are unpacked first)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; a quantized one has ``real = scale * (stored - zero_point)``."""

    name: str
    dtype: str
    """Lower case, NumPy's name where NumPy has one: ``float32``, ``int8``, ``int4`` …"""
    shape: tuple[int, ...] | None
    """None: rank unknown; a dimension of -1: unknown."""
    scales: tuple[float, ...] = ()
    """Empty: not quantized; one: per-tensor; more: one per channel along ``quantized_dimension``."""
    zero_points: tuple[int, ...] = ()
    """As many as ``scales``."""
    quantized_dimension: int = 0
    constant: bool = False
    bytes: int = 0
    """Bytes that its values take in the file; 0 unless constant."""
    buffer: int = -1
    """Constants with the same number share their bytes."""
    data: NDArray[Any] | None = field(default=None, repr=False, compare=False)
    """Stored values of a constant: in ``shape``, or flat and without zeros when stored sparsely.

    Mostly a view of the file: nothing is read before somebody looks. None where they are elsewhere (a checkpoint)
    or of a dtype that NumPy does not know.
    """

    @property
    def elements(self) -> int | None:
        """Return the number of elements, None when a dimension is unknown."""
        if self.shape is None or any(size < 0 for size in self.shape):
            return None
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; the nodes of sub-graphs (bodies of If, While, functions) stand in the same list."""

    op: str
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    custom: bool = False
    """An operator outside the format's own set."""
    flex: bool = False
    """A TensorFlow kernel inside a .tflite file."""
    attributes: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    """What legal names and comparison need, the same for each format: ``strides``, ``dilations``, ``kernel_size``
    (``2x2``, height first), ``padding`` (``same``, ``valid``, or ``0,1,0,1``: top, bottom, left, right), ``group``,
    ``activation`` (fused, lower case), ``transpose_a``, ``transpose_b``, ``axis``, ``epsilon``, ``alpha``."""
    scope: str = ""
    """Name of the sub-graph, empty for the main one."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call what a file holds."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A whole file. ``inputs`` and ``outputs`` map readable (signature) names to tensor numbers."""

    format: str
    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    opset: int | None = None
    signatures: tuple[Signature, ...] = ()
    """All that the file names; empty for formats without."""

    @cached_property
    def producers(self) -> dict[int, Node]:
        """Tensor number → the node that computes it."""
        return {number: node for node in self.nodes for number in node.outputs if number != ABSENT}

    @cached_property
    def consumers(self) -> dict[int, list[Node]]:
        """Tensor number → the nodes that read it."""
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            for number in node.inputs:
                if number != ABSENT:
                    found.setdefault(number, []).append(node)
        return found

    def tensor(self, numbers: tuple[int, ...], position: int) -> Tensor | None:
        """Return the tensor at ``position`` of a node's inputs or outputs, None when absent."""
        if position >= len(numbers) or numbers[position] == ABSENT:
            return None
        return self.tensors[numbers[position]]


def unique_names(pairs: list[tuple[str, int]]) -> dict[str, int]:
    """Return name → number; a name seen before gets ``:1``, ``:2`` … so that none is lost."""
    named: dict[str, int] = {}
    for name, number in pairs:
        free, count = name, 0
        while free in named:
            count += 1
            free = f"{name}:{count}"
        named[free] = number
    return named
