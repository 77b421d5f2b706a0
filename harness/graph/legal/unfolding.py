"""The growing legal graph: raw operators become chains of legal ones, with tensors of their own in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.graph.model import Graph, Node, Tensor

Attributes = Mapping[str, int | float | str | bool]


@dataclass(frozen=True, slots=True)
class Step:
    """One legal operator in a chain; its first input is what the step before it gave."""

    op: str
    more: tuple[int, ...] = ()
    """Further inputs."""
    attributes: Attributes = field(default_factory=dict)
    macs: int | None = 0
    begins: bool = False
    """What comes in here is what ``again`` asks for later."""
    again: bool = False
    """The last input is what came into the step that ``begins``."""
    shape: tuple[int, ...] | None = None
    """Shape of what it gives, where that is not the shape of the chain's end."""


class Unfolding:
    """Legal nodes so far. Tensors of the raw graph keep their numbers."""

    def __init__(self, raw: Graph) -> None:
        self.raw = raw
        self.tensors: list[Tensor] = list(raw.tensors)
        self.nodes: list[Node] = []
        self.origins: list[int] = []
        self.macs: list[int | None] = []
        self._at = 0

    def begin(self, at: int) -> None:
        """What is emitted from here on comes from raw node ``at``."""
        self._at = at

    def emit(
        self,
        op: str,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        attributes: Attributes | None = None,
        macs: int | None = 0,
    ) -> None:
        """Add a legal node; it has its raw node's name and scope."""
        raw = self.raw.nodes[self._at]
        kept = {} if attributes is None else attributes
        self.nodes.append(Node(op, raw.name, inputs, outputs, raw.custom, raw.flex, kept, raw.scope))
        self.origins.append(self._at)
        self.macs.append(macs)

    def chain(self, first: int, steps: list[Step], outputs: tuple[int, ...]) -> None:
        """Add one node for each step; the last one gives ``outputs``."""
        value = start = first
        for index, step in enumerate(steps):
            start = value if step.begins else start
            last = index == len(steps) - 1
            given = outputs if last else (self._between(outputs[0], step.shape),)
            more = (*step.more, start) if step.again else step.more
            self.emit(step.op, (value, *more), given, step.attributes, step.macs)
            value = given[0]

    def _between(self, end: int, shape: tuple[int, ...] | None) -> int:
        like = self.tensors[end]
        self.tensors.append(Tensor(like.name, like.dtype, like.shape if shape is None else shape))
        return len(self.tensors) - 1

    def number(self, value: float) -> int:
        """Return a constant of one number that stands in the operator itself; it takes no bytes in the file."""
        number = len(self.tensors)
        data = np.asarray(value, np.float32)
        self.tensors.append(Tensor(f"{value:g}", "float32", (), constant=True, buffer=number, data=data))
        return number
