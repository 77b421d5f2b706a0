"""What a transform is: ``harness/graph/transforms/steps/<name>.py`` with ``Options`` and ``apply``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.graph.transforms.work import Work


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transform did."""

    changed: int
    """0: the graph is as it was, and ``notes`` or ``missed`` say why."""
    what: str
    """What was counted: ``batch norms folded``."""
    notes: tuple[str, ...] = ()
    """Good to know: what was left as it was by rule, what is another one now."""
    missed: tuple[str, ...] = ()
    """What should have changed and did not, such as a batch normalization that is still there, and why."""


class Transform(Protocol):
    """The module itself; its docstring is its description."""

    Options: ClassVar[type]
    """Dataclass of its arguments, of str, int, float, bool and ``list[str]`` (a key that may come several times)."""

    def apply(self, work: Work, options: Any) -> Outcome:
        """Change ``work`` in place. Raises ``UserError`` for arguments that do not fit the graph."""
