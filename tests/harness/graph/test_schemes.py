"""What the audit says of real artifacts, scheme by scheme and format by format."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.graph.read import read
from harness.metrics import audit

MACS = 101_952
STEM, DEPTHWISE = 13_824, 4_608
FLOAT = {"int8": 0.0, "int16": 0.0, "hybrid": 0.0, "float": 1.0}
INT8 = {"int8": 1.0, "int16": 0.0, "hybrid": 0.0, "float": 0.0}
INT16 = {"int8": 0.0, "int16": 1.0, "hybrid": 0.0, "float": 0.0}
SMALL = (STEM + DEPTHWISE) / MACS
HYBRID = {"int8": 0.0, "int16": 0.0, "hybrid": 1 - SMALL, "float": SMALL}
"""Dynamic range leaves kernels under 1,024 elements in float: the stem and the depthwise convolution."""

TABLE = [
    # scheme, shares, float ops, hybrid ops, input and output dtype, per-channel
    ("float32", FLOAT, 6, 0, "float32", None),
    ("float16", FLOAT, 6, 0, "float32", None),
    ("dynamic", HYBRID, 6, 2, "float32", True),
    ("int8", INT8, 0, 0, "float32", True),
    ("int8_per_tensor", INT8, 0, 0, "float32", False),
    ("int8_only", INT8, 0, 0, "int8", True),
    ("uint8_only", INT8, 0, 0, "uint8", True),
    ("int16x8", INT16, 0, 0, "float32", True),
]


@pytest.mark.parametrize(("scheme", "shares", "float_ops", "hybrid_ops", "dtype", "per_channel"), TABLE)
def test_every_scheme_is_seen_as_what_it_is(
    tiny: Path,
    scheme: str,
    shares: dict[str, float],
    float_ops: int,
    hybrid_ops: int,
    dtype: str,
    per_channel: bool | None,
) -> None:
    found = audit.measure(tiny / f"{scheme}.tflite", "tflite")
    assert found.values["macs"] == MACS
    for name, share in shares.items():
        assert found.values[f"{name}_mac_share"] == pytest.approx(share)
    assert (found.values["float_ops"], found.values["hybrid_ops"]) == (float_ops, hybrid_ops)
    assert (found.values["input_dtype"], found.values["output_dtype"]) == (dtype, dtype)
    assert found.values.get("per_channel") is per_channel
    assert found.values["sparsity"] == pytest.approx(640 / 3168, abs=0.01)
    assert len(found.details["float_ops"]) == float_ops


@pytest.mark.parametrize(
    ("format", "file"), [("tflite", "int8.tflite"), ("onnx", "float32.onnx"), ("saved_model", "saved_model")]
)
def test_every_column_has_a_value_or_a_reason(tiny: Path, format: str, file: str) -> None:
    found = audit.measure(tiny / file, format)
    assert set(found.values) | set(found.missing) == set(audit.UNITS)
    assert not set(found.values) & set(found.missing)
    assert found.values["macs"] == MACS
    assert None not in found.values.values()
    assert all(found.missing.values())


def test_ops_and_weights_by_dtype(tiny: Path) -> None:
    half = audit.measure(tiny / "float16.tflite", "tflite")
    assert half.details["ops"]["DEQUANTIZE"] == {"float16→float32": 6}
    assert (
        half.details["weights_bytes"]["float16"] == 2 * (3168 + 8 + 8 + 160 - 8) == half.values["weights_float_bytes"]
    )
    dynamic = audit.measure(tiny / "dynamic.tflite", "tflite")
    assert dynamic.details["ops"]["CONV_2D"] == {"float32": 1, "float32×int8": 1}
    assert dynamic.values["weights_int8_bytes"] == 1280 + 1600
    integer = audit.measure(tiny / "int8.tflite", "tflite")
    assert integer.details["ops"]["QUANTIZE"] == {"float32→int8": 1}
    assert integer.details["ops"]["DEPTHWISE_CONV_2D"] == {"int8": 1}
    assert integer.values["weights_int8_bytes"] == 3168
    assert integer.values["weights_float_bytes"] == 0


def test_float_compute_ops_are_named(tiny: Path) -> None:
    assert audit.float_compute_ops(read(tiny / "int8_only.tflite", "tflite")) == []
    named = audit.float_compute_ops(read(tiny / "dynamic.tflite", "tflite"))
    assert named[0].startswith("float op CONV_2D '")
    assert sum(name.startswith("hybrid op ") for name in named) == 2
