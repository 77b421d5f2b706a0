"""Summaries say the same of a model in every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.graph.read import read
from harness.graph.summary import summarize

FLOAT = ("model.keras", "saved_model", "frozen.pb", "float32.tflite", "float32.onnx")
KERNELS = 216 + 72 + 1280 + 1600
BIASES = 160 + 10
NORMS = 2 * 8


@pytest.mark.parametrize("name", FLOAT)
def test_parameters_and_multiply_adds(tiny: Path, name: str) -> None:
    found = summarize(read(tiny / name))
    assert (found.kernel_parameters, found.macs) == (KERNELS, 101_952)
    if found.legal_ops.get("BatchNorm", 0):
        assert found.parameters == KERNELS + BIASES + 4 * NORMS
    else:  # folded; biases of zeros may be left out
        assert KERNELS < found.parameters <= KERNELS + BIASES + NORMS
    assert not found.unknown_ops
    assert not found.uncounted_ops


def test_bytes_and_ports(tiny: Path) -> None:
    found = summarize(read(tiny / "int8_only.tflite"))
    assert found.bytes_by_dtype["int8"] == KERNELS
    assert found.bytes_by_dtype["int32"] > 4 * 160
    (port,) = found.inputs
    assert (port.name, port.dtype, port.shape) == ("image", "int8", (1, 16, 16, 3))
    assert port.scale is not None
    assert [(one.name, one.inputs, one.outputs) for one in found.signatures] == [
        ("serving_default", ("image",), ("scores",))
    ]


def test_raw_and_legal_operators(tiny: Path) -> None:
    found = summarize(read(tiny / "frozen.pb"))
    assert found.ops["Const"] > 4
    assert "Constant" not in found.legal_ops
    assert found.legal_ops["BatchNorm"] == 2
