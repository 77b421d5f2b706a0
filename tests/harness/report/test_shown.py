"""Numbers and texts as people see them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Value
from harness.report import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "0.0123"), (2.5, "2.50"), (9.999, "10.0"), (77.42, "77.4"), (99.96, "100"), (1936.4, "1936")],
)
def test_milliseconds_have_three_digits_that_mean_something(value: float, text: str) -> None:
    assert shown.milliseconds(value) == text


@pytest.mark.parametrize(
    ("column", "raw", "text"),
    [
        ("size_bytes", 94_370_000, "94,370,000"),
        ("latency_p50_ms", 2.5, "2.50"),
        ("convert_s", 12.345, "12.35"),
        ("cosine", 0.99951, "0.9995"),
        ("samples", 1212, "1,212"),
        ("per_channel", True, "yes"),
        ("unsteady", False, "no"),
        ("input_shape", "32x32x3", "32x32x3"),
        ("cosine", None, "n/a"),
        ("cosine", math.nan, "n/a"),
    ],
)
def test_values_are_shown_in_the_unit_of_their_column(column: str, raw: Value, text: str) -> None:
    assert shown.value(column, raw) == text


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = shown.one_line(text)
    assert not any(ord(c) < 32 or ord(c) == 127 for c in line)
    assert line == line.strip()


def test_escape_sequences_and_direction_marks_are_taken_out() -> None:
    assert shown.one_line("a\x1b[31mred\x07 \u202eevil\r\nb") == "a[31mred evil b"


def test_superscripts() -> None:
    assert shown.superscript(120) == "¹²⁰"
    assert shown.superscript(None) == ""
