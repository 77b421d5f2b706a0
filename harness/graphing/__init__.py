"""The command graph: each verb is a file here with ``ABOUT``, one line, and ``command(words) -> exit code``."""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import Any

from harness.errors import UserError, did_you_mean


def verbs() -> list[str]:
    """Return what can be done with a graph; only file names are read."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def graph_command(args: list[str]) -> int:
    """Do what the first word says. Raises ``UserError`` when it is no verb."""
    if not args or args[0] in ("-h", "--help"):
        print("\n".join(f"graph {name:<10} {_module(name).ABOUT}" for name in verbs()))
        return 0
    if args[0] not in verbs():
        raise UserError(f"graph: '{args[0]}' cannot be done with a graph; {did_you_mean(args[0], verbs())}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # some readers import TensorFlow, which likes to talk
    code: int = _module(args[0]).command(args[1:])
    return code


def _module(verb: str) -> Any:
    return importlib.import_module(f"{__name__}.{verb}")
