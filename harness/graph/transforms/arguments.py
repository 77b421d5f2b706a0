"""The arguments of a transform, from the words they were written with to the dataclass of the transform."""

from __future__ import annotations

import typing
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UserError, did_you_mean
from harness.graph.transforms.syntax import Call
from harness.validate import validated

_FOLDER = Path(__file__).parent / "steps"


def names() -> list[str]:
    """Return the names of all transforms."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")


def module(call: Call) -> ModuleType:
    """Return the module of the transform that is called. Raises ``UserError`` for an unknown one."""
    if call.name not in names():
        hint = did_you_mean(call.name, names())
        raise UserError(f"transforms, character {call.position}: there is no transform '{call.name}'; {hint}")
    return import_module(f"harness.graph.transforms.steps.{call.name}")


def options(call: Call) -> Any:
    """Return the ``Options`` of a call. Raises ``UserError``: unknown, given twice, missing, or not what is allowed."""
    kind = module(call).Options
    place = f"transforms, character {call.position}: {call.name}"
    hints = typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for key, text in call.arguments:
        value = _value(text, hints.get(key, str), f"{place}.{key}")
        if key in found and not isinstance(value, list):
            raise UserError(f"{place}.{key}: given twice; allowed: once")
        found[key] = found.get(key, []) + value if isinstance(value, list) else value
    return validated(found, kind, place)


def _value(text: str, hint: Any, place: str) -> Any:
    """Return the text as a value of the type ``hint``."""
    if hint is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise UserError(f"{place}: {text!r} is not possible; allowed: true, false")
        return text.lower() in ("true", "1")
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise UserError(f"{place}: {text!r} is no number") from None
    return [text] if typing.get_origin(hint) is list else text
