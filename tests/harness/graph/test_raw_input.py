from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph.raw_input import raw_bytes_input


@pytest.mark.parametrize(
    ("scale", "zero_point", "mode", "dtype", "expected"),
    [
        (1.0, 0, "none", "uint8", True),
        (1 / 127.5, 128, "tf", "uint8", True),  # half a step off, which rounding would be too
        (2 / 255, 127, "tf", "uint8", True),
        (1.0, 0, "none", "int8", False),
        (0.99, 0, "none", "uint8", False),
        (1 / 127.5, 126, "tf", "uint8", False),
        (1.0, 0, "tf", "uint8", False),
        (1.0, 117, "caffe", "uint8", False),
        (1 / 255 / 0.229, 124, "torch", "uint8", False),
        (0.0, 0, "none", "uint8", False),
        (1.0, 0, "no such mode", "uint8", False),
    ],
)
def test_known_cases(scale: float, zero_point: int, mode: str, dtype: str, expected: bool) -> None:
    assert raw_bytes_input(scale, zero_point, mode, dtype) is expected


def test_one_channel() -> None:
    assert raw_bytes_input(1.0, 0, "none", "uint8", channels=1)
    assert not raw_bytes_input(1.0, 117, "caffe", "uint8", channels=1)


@given(st.floats(0.9, 1.1), st.integers(0, 4))
def test_agrees_with_every_byte_checked_by_hand(scale: float, zero_point: int) -> None:
    worst = max(abs(scale * (byte - zero_point) - byte) for byte in range(256))
    if abs(worst - scale / 2) > 1e-3:
        assert raw_bytes_input(scale, zero_point, "none", "uint8") == (worst <= scale / 2)
