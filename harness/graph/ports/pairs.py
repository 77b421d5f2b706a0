"""What a map of ports is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from numpy.typing import NDArray

from harness.graph.model import Graph, Tensor

Values = Mapping[str, NDArray[Any]]
Run = Callable[[Values], Values]
"""Input name → real values, to output name → real values. Raises whatever the runtime raises."""


@dataclass(frozen=True, slots=True)
class Model:
    """One of the two models."""

    graph: Graph
    run: Run | None
    """None: nothing here can run it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ports that correspond."""

    before: str
    after: str
    by: Literal["values", "only", "shape", "name"]
    """``only``: there is no other."""
    difference: float | None = None
    """Largest difference of the values, relative to the largest value; None when they were not compared."""
    transposed: bool = False
    """The second has its channels in front (N×C×H×W), the first behind, or the other way round."""
    remarks: tuple[str, ...] = ()
    """What makes the pair doubtful."""


@dataclass(frozen=True, slots=True)
class PortMap:
    """All pairs, and what has no like."""

    inputs: tuple[Pair, ...]
    outputs: tuple[Pair, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def is_certain(self) -> bool:
        """Return whether every port has a like and nothing is doubtful."""
        pairs = (*self.inputs, *self.outputs)
        return not (self.only_before or self.only_after or self.remarks or any(one.remarks for one in pairs))


def port(graph: Graph, name: str) -> Tensor:
    """Return an input or output by its name."""
    number = graph.inputs.get(name, graph.outputs.get(name, -1))
    return graph.tensors[number]


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, 0 to 1."""
    return SequenceMatcher(None, one.partition(":")[0].lower(), other.partition(":")[0].lower()).ratio()
