"""What a transform is: ``harness/graph/transforms/steps/<name>.py`` with ``Options`` and ``apply``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.graph.transforms.work import Work


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transform did."""

    changed: int
    """0: the graph is as it was, and ``notes`` say why."""
    what: str
    """What was counted: ``batch norms folded``."""
    notes: tuple[str, ...] = ()
    """What the person who asked should know: what was left as it was, and why."""


class Transform(Protocol):
    """The module itself; its docstring is its description."""

    Options: ClassVar[type]
    """Dataclass of its arguments, of str, int, float, bool and ``list[str]`` (a key that may come several times)."""

    def apply(self, work: Work, options: Any) -> Outcome:
        """Change ``work`` in place. Raises ``UserError`` for arguments that do not fit the graph."""
