"""The toolchains of a run: where each one's Python is, what is installed there, and what makes its numbers comparable.

One that is not installed is no reason to stop: its cells say so, each with the command that helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness import environment, toolchains
from harness.environment import Environment
from harness.errors import StageError, UserError
from harness.records import Failure


@dataclass(frozen=True)
class Tools:
    """One toolchain as it is on this machine."""

    python: str
    environment: Environment
    packages: dict[str, str] = field(default_factory=dict)
    """All that is installed, name → version; nothing for the default, where packages are asked for one by one."""
    absent: Failure | None = None
    """Why none of its jobs can run; None when they can."""

    @property
    def fingerprint(self) -> str:
        """See ``environment.fingerprint``; of one that is absent, that of the default, where its records are made."""
        return environment.fingerprint(self.environment)


def resolve(names: Iterable[str], root: Path) -> dict[str, Tools]:
    """Return the default toolchain and those named, in that order; ``root`` is the cache folder."""
    here = environment.current()
    default = Tools(str(toolchains.python(toolchains.DEFAULT)), here)
    return {toolchains.DEFAULT: default} | {n: _tools(n, root, here) for n in names if n != toolchains.DEFAULT}


def _tools(name: str, root: Path, here: Environment) -> Tools:
    try:
        python = str(toolchains.python(name, root=root))
        return Tools(python, environment.current(python), toolchains.versions(name, root=root))
    except StageError as error:
        return Tools("", here, absent=_unsupported(str(error)))
    except UserError as error:  # it was there once: its Python has gone, or does not start
        return Tools("", here, absent=_unsupported(f"{error}; `harness toolchain sync {name}` makes it anew"))


def _unsupported(text: str) -> Failure:
    return Failure("unsupported", "export", "toolchain_missing", "Unsupported", text)
