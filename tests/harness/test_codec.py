"""The one JSON format: round trips, and everything that is not a record line is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import codec
from harness.records import RECORD_VERSION, STAGES, Cell, Failure, Record

text = st.text(max_size=20)
values = st.dictionaries(text, st.none() | st.booleans() | text | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9))
cells = st.builds(Cell, text, text, text, text, text, st.integers(1, 64), text, text)
failures = st.none() | st.builds(
    Failure, st.sampled_from(["failed", "crashed"]), st.sampled_from(STAGES), text, text, text
)
records = st.builds(
    Record,
    version=st.just(RECORD_VERSION),
    run=text,
    cell=cells,
    key=text,
    status=st.sampled_from(["ok", "failed", "noisy"]),
    stage=st.sampled_from(STAGES),
    failure=failures,
    options=st.just({}),
    values=values,
    missing=st.dictionaries(text, text),
    details=st.dictionaries(text, st.lists(st.integers(0, 9))),
    artifact=st.none() | text,
    artifact_sha256=st.none() | text,
    fingerprint=text,
    reproduce=text,
    logs=st.dictionaries(text, text),
    started_at=text,
    seconds=st.floats(0, 1e6),
)


def plain(record: Record) -> Any:
    return json.loads(codec.encode(record))


@given(records)
def test_a_record_survives_its_line(record: Record) -> None:
    line = codec.encode_record(record)
    assert b"\n" not in line
    assert plain(codec.decode_record(line)) == plain(record)


@given(records, st.data())
def test_a_line_cut_anywhere_is_refused(record: Record, data: st.DataObject) -> None:
    line = codec.encode_record(record)
    cut = data.draw(st.integers(0, len(line) - 1))
    with pytest.raises(codec.CodecError):
        codec.decode_record(line[:cut])


@given(records, st.data())
def test_a_changed_byte_is_refused(record: Record, data: st.DataObject) -> None:
    line = bytearray(codec.encode_record(record))
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= 1
    if bytes(line).strip() == codec.encode_record(record):
        return
    with pytest.raises(codec.CodecError):
        codec.decode_record(bytes(line))


@given(records)
def test_a_record_of_the_future_is_refused_by_its_version(record: Record) -> None:
    line = codec.encode_record(codec.decode(codec.encode(plain(record) | {"version": RECORD_VERSION + 1}), Record))
    with pytest.raises(codec.CodecError, match="version"):
        codec.decode_record(line)


@given(st.dictionaries(text, st.integers()))
def test_the_digest_does_not_know_the_order_of_keys(mapping: dict[str, int]) -> None:
    assert codec.digest(mapping) == codec.digest(dict(reversed(mapping.items())))


def test_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BYTES", 10)
    with pytest.raises(codec.CodecError, match="more than 10"):
        codec.decode(b"[" * 11, list)


def test_the_committed_schema_is_that_of_the_code() -> None:
    committed = Path(__file__).resolve().parents[2] / "results" / "record.schema.json"
    assert committed.read_text() == codec.record_schema()
