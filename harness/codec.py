"""The one JSON format: dataclasses of ``records`` to bytes and back, with a checksum for each record line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from harness.records import RECORD_VERSION, Record

T = TypeVar("T")
MAX_BYTES = 64 * 2**20
"""No job, result or record comes near this; whatever is larger is refused unread."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version → function that lifts a plain record of that version to the next; empty while there is one version."""


class CodecError(ValueError):
    """Bytes that are not what they should be: torn, damaged, of another schema or of the future."""


def encode(value: object) -> bytes:
    """Return ``value`` (dataclasses, dicts, lists, numbers, strings) as one line of JSON."""
    return msgspec.json.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """Return ``data`` as an instance of ``kind``. Raises ``CodecError``."""
    if len(data) > MAX_BYTES:
        raise CodecError(f"{len(data)} bytes is more than {MAX_BYTES}")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"{kind.__name__}: {error}") from error


def canonical(value: object) -> bytes:
    """Return JSON that is equal for equal values: keys sorted, no spaces."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def encode_record(record: Record) -> bytes:
    """Return one line (no newline): the record and, last, the checksum of what stands before it."""
    body = msgspec.json.encode(record)
    return body[:-1] + b',"checksum":"' + _checksum(body) + b'"}'


def decode_record(line: bytes) -> Record:
    """Return the record of one line, lifted to the current version. Raises ``CodecError``."""
    line = line.strip()
    if len(line) > MAX_BYTES:
        raise CodecError(f"{len(line)} bytes is more than {MAX_BYTES}")
    body, mark, tail = line.rpartition(b',"checksum":"')
    if not mark or tail[-2:] != b'"}':
        raise CodecError("no checksum: the line is torn or not a record")
    body += b"}"
    if _checksum(body) != tail[:-2]:
        raise CodecError("checksum does not match: the line is damaged")
    return decode(_lift(body), Record)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _lift(body: bytes) -> bytes:
    plain = decode(body, dict)
    version = plain.get("version")
    if version == RECORD_VERSION:
        return body
    if not isinstance(version, int) or version > RECORD_VERSION:
        raise CodecError(f"record version {version!r}; this harness reads up to {RECORD_VERSION}")
    while version < RECORD_VERSION:
        plain = MIGRATIONS[version](plain)
        version = plain["version"]
    return msgspec.json.encode(plain)


def record_schema() -> str:
    """Return the JSON Schema of a record line, as text."""
    schema = msgspec.json.schema(Record)
    record = schema["$defs"]["Record"]
    record["properties"]["checksum"] = {
        "type": "string",
        "description": "first 16 hex digits of the SHA-256 of the line without this field",
    }
    record["required"].append("checksum")
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
