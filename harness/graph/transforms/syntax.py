"""The classic syntax of transforms: ``name(key=value, key="quoted, value") name name(key=value)``.

White space of any kind stands between transforms. A value with other signs than letters, digits and ``_.:/*+-`` is
quoted; in quotes ``\\"`` and ``\\\\`` stand for a quote and a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.errors import UserError

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_BARE = re.compile(r"[\w.:/*+-]+", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Call:
    """One transform as it was asked for."""

    name: str
    arguments: tuple[tuple[str, str], ...] = ()
    """Key and value in the order given; a key may come twice."""
    position: int = field(default=1, compare=False)
    """The character, counted from 1, that it begins with."""

    def __str__(self) -> str:
        """Return the call in the classic syntax."""
        inside = ", ".join(f"{key}={_quoted(value)}" for key, value in self.arguments)
        return f"{self.name}({inside})" if inside else self.name


def parse(text: str) -> tuple[Call, ...]:
    """Return the transforms in ``text``. Raises ``UserError`` with the character where it is not as it should be."""
    scan, calls = _Scanner(text), []
    while not scan.done():
        position = scan.position
        name = scan.take(_NAME, "the name of a transform")
        calls.append(Call(name, _arguments(scan, name) if scan.sign("(") else (), position))
    return tuple(calls)


def written(calls: tuple[Call, ...]) -> str:
    """Return the transforms in the classic syntax: what ``parse`` gives the same calls for."""
    return " ".join(map(str, calls))


def _arguments(scan: _Scanner, name: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    if scan.sign(")"):
        return ()
    while True:
        key = scan.take(_NAME, f"an argument key=value of {name}")
        scan.need("=", f"'=' behind '{key}' of {name}")
        found.append((key, _value(scan, f"a value for '{key}' of {name}")))
        if scan.sign(")"):
            return tuple(found)
        scan.need(",", f"',' or ')' behind '{key}' of {name}")


def _value(scan: _Scanner, what: str) -> str:
    scan.skip()
    if scan.text.startswith('"', scan.at):
        inside = scan.take(_QUOTED, f'{what}, closed with "')[1:-1]
        return re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL)
    return scan.take(_BARE, what)


def _quoted(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Scanner:
    """Reads a text piece by piece."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.skip()

    @property
    def position(self) -> int:
        """The character that comes next, counted from 1."""
        return self.at + 1

    def skip(self) -> None:
        """Go over white space."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def done(self) -> bool:
        """Say whether only white space is left."""
        self.skip()
        return self.at == len(self.text)

    def sign(self, one: str) -> bool:
        """Take ``one`` when it comes next."""
        self.skip()
        found = self.text.startswith(one, self.at)
        self.at += len(one) if found else 0
        return found

    def need(self, one: str, what: str) -> None:
        """Take ``one``. Raises ``UserError`` when something else comes next."""
        if not self.sign(one):
            raise self._error(what)

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        """Return what matches and go behind it. Raises ``UserError`` when nothing does."""
        self.skip()
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self._error(what)
        self.at = found.end()
        return found.group()

    def _error(self, what: str) -> UserError:
        rest = self.text[self.at : self.at + _SHOWN]
        more = "…" if len(self.text) > self.at + _SHOWN else ""
        seen = f"found {rest + more!r}" if rest else "the text ends"
        return UserError(f"transforms, character {self.position}: expected {what}, {seen}")
