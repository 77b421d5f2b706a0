"""Exceptions of the harness.

::

    HarnessError
    ├── UserError          something the person at the keyboard can fix: one line, exit code 2
    └── StageError         something that happened to one cell: a record, and the sweep goes on
        ├── Unsupported    the combination cannot work by its nature; says why
        ├── Crashed        a process that the stage had started died of a signal
        └── StageFailed    it should have worked and did not; carries a short reason code
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Root of all exceptions raised on purpose by the harness."""


class UserError(HarnessError):
    """A mistake in what was asked for: names the cause, the place and what is allowed."""


class StageError(HarnessError):
    """A cell stopped; ``reason`` is a short snake_case code for tables and filters."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unsupported(StageError):
    """The combination makes no sense or is refused by design; not a defect of the model."""

    def __init__(self, message: str, reason: str = "unsupported") -> None:
        super().__init__(message, reason)


class Crashed(StageError):
    """A process that a stage had started, such as Node, died; the stage's own process lives."""


class StageFailed(StageError):
    """A stage ran and gave a result that must not pass, such as a float op in an integer-only artifact."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``"did you mean 'x'? "`` when a close match exists, and the allowed names in any case."""
    names = sorted(allowed)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
    return f"{hint}allowed: {shown}"
