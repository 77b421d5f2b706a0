from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StageFailed
from harness.graph import tflite
from harness.graph.model import ABSENT, Graph
from harness.metrics.audit import audit

RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def int8(tiny: Path) -> bytes:
    return (tiny / "int8.tflite").read_bytes()


def test_reads_names_shapes_and_constants(tiny: Path) -> None:
    graph = tflite.read(tiny / "float32.tflite")
    assert [node.op for node in graph.nodes] == [
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    assert list(graph.inputs) == ["image"]
    assert list(graph.outputs) == ["scores"]
    assert graph.tensors[graph.inputs["image"]].shape == (1, 16, 16, 3)
    kernel = graph.tensors[graph.nodes[2].inputs[1]]
    assert (kernel.constant, kernel.dtype, kernel.shape, kernel.bytes) == (True, "float32", (160, 1, 1, 8), 5120)
    assert kernel.data is not None
    assert not kernel.data[40:120].any()
    assert kernel.data[:40].all()


def test_agrees_with_the_interpreter(tiny: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = (tiny / "int8_only.tflite").read_bytes()
    graph, interpreter = tflite.parse(content), Interpreter(model_content=content)
    details = {item["index"]: item for item in interpreter.get_tensor_details()}
    assert len(details) >= len(graph.tensors)
    for number, tensor in enumerate(graph.tensors):
        found = details[number]
        assert tensor.name == found["name"]
        assert tensor.dtype == np.dtype(found["dtype"]).name
        assert tensor.shape == tuple(found["shape"])
        assert tensor.scales == tuple(found["quantization_parameters"]["scales"].tolist())
        assert tensor.zero_points == tuple(found["quantization_parameters"]["zero_points"].tolist())


def test_quantized_tensors_keep_their_channel_axis(tiny: Path) -> None:
    graph = tflite.read(tiny / "int8.tflite")
    depthwise = next(node for node in graph.nodes if node.op == "DEPTHWISE_CONV_2D")
    kernel = graph.tensors[depthwise.inputs[1]]
    assert (kernel.dtype, kernel.quantized_dimension, len(kernel.scales)) == ("int8", 3, 8)
    assert kernel.zero_points == (0,) * 8


def test_reading_does_not_need_tensorflow(tiny: Path) -> None:
    import subprocess

    code = (
        "import sys; from pathlib import Path; from harness.graph import tflite; "
        f"tflite.read(Path({str(tiny / 'int8.tflite')!r})); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("dtype", "stored", "expected"),
    [
        ("int4", [0x1F, 0x08], [-1, 1, -8]),
        ("uint4", [0x1F, 0x08], [15, 1, 8]),
        ("int2", [0b11_10_01_00], [0, 1, -2]),
    ],
)
def test_unpacks_narrow_integers(dtype: str, stored: list[int], expected: list[int]) -> None:
    values = tflite._values(np.array(stored, np.uint8), dtype, (3,), "w")
    assert values is not None
    assert values.tolist() == expected


def test_widens_bfloat16() -> None:
    stored = np.array([0x80, 0x3F, 0x00, 0xC0], np.uint8)
    values = tflite._values(stored, "bfloat16", (2,), "w")
    assert values is not None
    assert values.tolist() == [1.0, -2.0]


def test_missing_file_is_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="No such file") as caught:
        tflite.read(tmp_path / "none.tflite")
    assert caught.value.reason == "broken_file"


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0" * 4 + b"TFL3", b"PK\3\4" * 9, struct.pack("<I", 2**32 - 1) + b"TFL3"]
)
def test_other_bytes_are_a_broken_file(content: bytes) -> None:
    with pytest.raises(StageFailed) as caught:
        tflite.parse(content)
    assert caught.value.reason == "broken_file"


@RELAXED
@given(fraction=st.floats(0, 0.999))
def test_truncated_file_fails_cleanly_or_is_sound(int8: bytes, fraction: float) -> None:
    _sound_or_broken(int8[: int(len(int8) * fraction)])


@RELAXED
@given(data=st.data())
def test_damaged_file_fails_cleanly_or_is_sound(int8: bytes, data: st.DataObject) -> None:
    damaged = bytearray(int8)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(8, len(int8) - 1))] = data.draw(st.integers(0, 255))
    _sound_or_broken(bytes(damaged))


def _sound_or_broken(content: bytes) -> None:
    """Check that a graph comes back whose every number leads somewhere, or ``broken_file``."""
    graph, reason = None, ""
    try:
        graph = tflite.parse(content)
    except StageFailed as error:
        reason = error.reason
    if graph is None:
        assert reason == "broken_file"
        return
    _check(graph)
    audit(graph)


def _check(graph: Graph) -> None:
    allowed = range(ABSENT, len(graph.tensors))
    assert all(number in allowed for node in graph.nodes for number in (*node.inputs, *node.outputs))
    assert all(0 <= number < len(graph.tensors) for number in (*graph.inputs.values(), *graph.outputs.values()))
    assert all(len(tensor.scales) == len(tensor.zero_points) for tensor in graph.tensors)
