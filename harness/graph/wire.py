"""Protobuf messages read without their large values, which stay in the file.

A copy of the message is made in which each large value is a short mark; the library parses the copy, and ``Slim``
says where in the file a mark's value is. Protobuf itself would read a constant of a gigabyte twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

KEEP = 2**16
"""Bytes up to which a value stays in the message."""
_DEPTH = 60
_VARINT, _WIDE, _BLOCK, _NARROW = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Fields:
    """Where large values are: the numbers of fields that hold them, and of messages to look into."""

    values: frozenset[int] = frozenset()
    messages: Mapping[int, Any] | None = None
    """Field number → ``Fields``; may refer back to what it is part of."""


@dataclass(frozen=True, slots=True)
class Slim:
    """A message without its large values."""

    message: bytes
    _content: memoryview
    _marks: Mapping[bytes, tuple[int, int]]

    def value(self, field: bytes) -> memoryview | None:
        """Return the value that ``field`` is the mark of, None when it is no mark but the value itself."""
        place = self._marks.get(field)
        return None if place is None else self._content[place[0] : place[0] + place[1]]


def slim(content: memoryview, fields: Fields, keep: int = KEEP) -> Slim:
    """Return the message in ``content`` with values of more than ``keep`` bytes left out.

    Raises ``ValueError`` for what is no whole message.
    """
    marks: dict[bytes, tuple[int, int]] = {}
    parts = _copied(content, 0, len(content), _Task(fields, keep, secrets.token_bytes(12), marks), 0)
    return Slim(b"".join(parts), content, marks)


def field_numbers(content: memoryview) -> set[tuple[int, int]]:
    """Return (number, kind) of the outermost fields. Raises ``ValueError`` for what is no whole message."""
    return {(number, kind) for number, kind, _, _, _ in _walk(content, 0, len(content))}


@dataclass(frozen=True, slots=True)
class _Task:
    fields: Fields
    keep: int
    secret: bytes
    """Nobody who wrote the file can have known it."""
    marks: dict[bytes, tuple[int, int]]


def _copied(content: memoryview, start: int, end: int, task: _Task, depth: int) -> list[bytes | memoryview]:
    """Return the parts of a message between ``start`` and ``end``; copies nothing that it need not."""
    if depth > _DEPTH:
        raise ValueError("it is nested too deeply")
    parts: list[bytes | memoryview] = []
    copied = start
    for number, kind, tag, first, last in _walk(content, start, end):
        if kind != _BLOCK or last - first <= task.keep:
            continue
        inner = (task.fields.messages or {}).get(number)
        if number not in task.fields.values and inner is None:
            continue
        parts += [content[copied:tag], _number(number << 3 | _BLOCK)]
        if inner is None:
            mark = task.secret + len(task.marks).to_bytes(4, "little")
            task.marks[mark] = (first, last - first)
            parts += [_number(len(mark)), mark]
        else:
            made = _copied(content, first, last, _Task(inner, task.keep, task.secret, task.marks), depth + 1)
            parts += [_number(sum(map(len, made))), *made]
        copied = last
    return [*parts, content[copied:end]]


_SIZES: Final = {_WIDE: 8, _NARROW: 4}


def _walk(content: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield (number, kind, place of the tag, first byte, end) of each field of a message."""
    place = start
    while place < end:
        tag = place
        word, place = _varint(content, place, end)
        number, kind = word >> 3, word & 7
        if not number:
            raise ValueError("it has a field without a number")
        first = place
        if kind == _VARINT:
            _, place = _varint(content, place, end)
        elif kind == _BLOCK:
            length, first = _varint(content, place, end)
            place = first + length
        elif kind in _SIZES:
            place += _SIZES[kind]
        else:
            raise ValueError(f"it has a field of the unknown kind {kind}")
        if place > end:
            raise ValueError("it is cut off")
        yield number, kind, tag, first, place


def _varint(content: memoryview, place: int, end: int) -> tuple[int, int]:
    """Return (number, place behind it)."""
    value = shift = 0
    while place < end and shift < 70:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise ValueError("it is cut off" if place >= end else "it has a number that does not end")


def _number(value: int) -> bytes:
    """Return a number as protobuf writes it."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
