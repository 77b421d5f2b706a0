"""Plain values into dataclasses, strictly: unknown keys, wrong types and values out of range are one line each.

A range is written where the field is: ``field(default=1, metadata={"min": 1, "max": 64})``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from harness.errors import UserError, did_you_mean

T = TypeVar("T")
Where = Callable[[str], str]


def validated(values: object, kind: type[T], place: str, where: Where = lambda _key: "") -> T:
    """Return ``values`` as a ``kind``, a dataclass.

    ``place`` is the key that the values stand under; ``where`` tells the file or override that set a key.
    Raises ``UserError`` with key, origin and what is allowed.
    """
    if not isinstance(values, dict):
        raise UserError(f"{place}: expected a mapping, found {values!r}{where(place)}")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise UserError(f"{_join(place, str(key))}: unknown key{where(_join(place, str(key)))}; "
                            f"{did_you_mean(str(key), known)}")  # fmt: skip
    made = {}
    for name, field in known.items():
        key = _join(place, name)
        if name in values:
            made[name] = _convert(values[name], hints[name], key, where)
            _check_range(made[name], field.metadata, key, where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"{key}: missing{where(place)}; it has no default")
    return kind(**made)


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _check_range(value: object, limits: typing.Mapping[str, Any], key: str, where: Where) -> None:
    for one in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(one, int | float):
            continue
        low, high = limits.get("min"), limits.get("max")
        if (low is not None and one < low) or (high is not None and one > high):
            span = f"{'' if low is None else low} … {'' if high is None else high}".strip()
            raise UserError(f"{key}: {one} is out of range{where(key)}; allowed: {span}")


def _convert(value: Any, hint: Any, key: str, where: Where) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, args, key, where)
    if origin is typing.Literal:
        if value in args and not isinstance(value, bool):
            return value
        allowed = did_you_mean(str(value), [str(a) for a in args])
        raise UserError(f"{key}: {value!r} is not possible{where(key)}; {allowed}")
    if dataclasses.is_dataclass(hint):
        return validated(value, typing.cast(type, hint), key, where)
    if origin in (list, tuple):
        if not isinstance(value, list | tuple):
            raise UserError(f"{key}: expected a list, found {value!r}{where(key)}")
        return origin(_convert(v, args[0], f"{key}[{i}]", where) for i, v in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise UserError(f"{key}: expected a mapping, found {value!r}{where(key)}")
        return {k: _convert(v, args[1] if args else Any, _join(key, str(k)), where) for k, v in value.items()}
    return _convert_scalar(value, hint, key, where)


def _convert_union(value: Any, args: tuple[Any, ...], key: str, where: Where) -> Any:
    if value is None and type(None) in args:
        return None
    choices = [a for a in args if a is not type(None)]
    for choice in choices[:-1]:
        try:
            return _convert(value, choice, key, where)
        except UserError:
            continue
    return _convert(value, choices[-1], key, where)


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _convert_scalar(value: Any, hint: type, key: str, where: Where) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise UserError(f"{key}: expected {_WORDS.get(hint, hint.__name__)}, found {value!r}{where(key)}")
