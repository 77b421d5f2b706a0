"""Large values stay in the file; everything else of a message is as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from harness.graph.mapped import array, mapped
from harness.graph.onnx import LARGE
from harness.graph.wire import Fields, field_numbers, slim


def model(values: np.ndarray, nested: bool = False) -> bytes:
    """A constant as an initializer, or inside the attribute of a node."""
    tensor = numpy_helper.from_array(values, "c")
    node = helper.make_node("Constant", [], ["c"], value=tensor) if nested else helper.make_node("Neg", ["c"], ["y"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [], [y], [] if nested else [tensor])
    return bytes(helper.make_model(graph).SerializeToString())


@given(st.integers(0, 400), st.booleans(), st.integers(0, 900))
def test_what_is_left_out_is_found_again(elements: int, nested: bool, keep: int) -> None:
    values = np.arange(elements, dtype=np.float32)
    whole = model(values, nested)
    read = slim(memoryview(whole), LARGE, keep)
    found = onnx.ModelProto.FromString(read.message)
    node = found.graph.node[0]
    tensor = node.attribute[0].t if nested else found.graph.initializer[0]
    left = read.value(tensor.raw_data)
    assert (left is not None) == (values.nbytes > keep)
    assert bytes(tensor.raw_data if left is None else left) == values.tobytes()
    tensor.raw_data = values.tobytes()
    assert found == onnx.ModelProto.FromString(whole)


@given(st.binary(max_size=60))
def test_any_bytes_are_copied_whole_or_refused(content: bytes) -> None:
    inner: dict[int, Fields] = {}
    fields = Fields(values=frozenset({1, 2}), messages=inner)
    inner |= {3: fields, 4: fields}
    try:
        read = slim(memoryview(content), fields, 4)
    except ValueError as error:
        assert "it " in str(error)  # noqa: PT017 - the message is all that is promised
        return
    if not read._marks:
        assert len(read.message) <= len(content) + 40
    assert sum(size for _, size in read._marks.values()) <= len(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x0a\x05abc", "cut off"),
        (b"\x0a", "cut off"),
        (b"\x0b\x00", "unknown kind"),
        (b"\x02\x00", "without a number"),
        (b"\x08" + b"\x80" * 12, "does not end"),
    ],
)
def test_broken_messages(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        slim(memoryview(content), LARGE)


def test_messages_in_messages_end_somewhere() -> None:
    content = b""
    for _ in range(80):
        length = len(content)
        content = b"\x0a" + bytes([length & 0x7F | 0x80, length >> 7]) + content
    inner: dict[int, Fields] = {}
    inner[1] = Fields(messages=inner)
    with pytest.raises(ValueError, match="too deeply"):
        slim(memoryview(content), inner[1], 0)


def test_field_numbers() -> None:
    assert field_numbers(memoryview(b"\x08\x01\x12\x01a")) == {(1, 0), (2, 2)}


def test_a_view_must_lie_within_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(np.arange(4, dtype=np.int16).tobytes())
    content = mapped(tmp_path / "f")
    assert array(content, "int16", (2,), 2).tolist() == [1, 2]
    assert array(content, "int16", (0, 3), 2).shape == (0, 3)
    for shape, offset in (((5,), 0), ((2,), 6), ((-1,), 0), ((1,), -2)):
        with pytest.raises(ValueError, match="do not fit"):
            array(content, "int16", shape, offset)
    (tmp_path / "empty").write_bytes(b"")
    assert len(mapped(tmp_path / "empty")) == 0
