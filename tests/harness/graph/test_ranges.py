from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph import ranges, tflite
from harness.graph.model import Graph, Node, Tensor


def graph_of(*tensors: Tensor, nodes: tuple[Node, ...] = ()) -> Graph:
    return Graph("tflite", nodes, tensors, {}, {})


def test_real_artifact(tiny: Path) -> None:
    rows = ranges.rows(tflite.read(tiny / "uint8_only.tflite"))
    by_role: dict[str, list[ranges.TensorRange]] = {}
    for row in rows:
        by_role.setdefault(row.role, []).append(row)
    assert {role: len(found) for role, found in by_role.items()} == {
        "input": 1, "output": 1, "weight": 4, "bias": 3, "activation": 7,
    }  # fmt: skip
    assert all(row.granularity == "per_channel" and row.narrow_range for row in by_role["weight"])
    assert all(row.narrow_range is None for row in by_role["bias"])
    output = by_role["output"][0]
    assert (output.dtype, output.scale, output.range_min) == ("uint8", (1 / 256,), 0.0)
    assert output.range_max == pytest.approx(255 / 256)


def test_real_ranges_hold_the_float_weights(tiny: Path) -> None:
    quantized = {row.name: row for row in ranges.rows(tflite.read(tiny / "int8.tflite")) if row.role == "weight"}
    graph = tflite.read(tiny / "float32.tflite")
    compared = 0
    for tensor in graph.tensors:
        row = quantized.get(tensor.name)
        if row is None or tensor.data is None:
            continue
        compared += 1
        assert row.value_min is not None
        assert row.value_max is not None
        assert row.value_min == pytest.approx(tensor.data.min(), abs=max(row.scale))
        assert row.value_max == pytest.approx(tensor.data.max(), abs=max(row.scale))
    assert compared == 4


def test_float_artifact_has_an_empty_table(tiny: Path, tmp_path: Path) -> None:
    assert ranges.write(tflite.read(tiny / "float32.tflite"), tmp_path) == 0
    assert json.loads((tmp_path / "tensors.json").read_text()) == []
    assert (tmp_path / "tensors.csv").read_text().startswith("name,dtype,shape,role,")


def test_files_say_the_same(tiny: Path, tmp_path: Path) -> None:
    count = ranges.write(tflite.read(tiny / "int8.tflite"), tmp_path)
    as_json = json.loads((tmp_path / "tensors.json").read_text())
    as_csv = list(csv.DictReader(io.StringIO((tmp_path / "tensors.csv").read_text())))
    assert count == len(as_json) == len(as_csv) > 0
    for left, right in zip(as_json, as_csv, strict=True):
        assert left["name"] == right["name"]
        assert left["scale"] == [float(number) for number in right["scale"].split()]
        assert left["range_min"] == float(right["range_min"])
        assert right["value_min"] == ("" if left["value_min"] is None else str(left["value_min"]))


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-x", "@sum", "\tx"])
def test_text_that_a_spreadsheet_could_run_is_prefixed(name: str) -> None:
    tensor = Tensor(name, "int8", (-1, 2), scales=(0.5,), zero_points=(-3,))
    row = next(csv.DictReader(io.StringIO(ranges.to_csv(ranges.rows(graph_of(tensor))))))
    assert row["name"] == f"'{name}"
    assert (row["zero_point"], row["shape"]) == ("-3", "-1 2")


@given(st.floats(1e-6, 1e3), st.integers(-128, 127))
def test_range_is_what_the_dtype_can_hold(scale: float, zero: int) -> None:
    row = ranges.rows(graph_of(Tensor("t", "int8", (4,), scales=(scale,), zero_points=(zero,))))[0]
    assert row.range_min == pytest.approx((-128 - zero) * scale)
    assert row.range_max == pytest.approx((127 - zero) * scale)
    assert (row.role, row.narrow_range, row.value_min) == ("activation", False, None)


@pytest.mark.parametrize(
    ("dtype", "values", "zero", "narrow", "lowest"),
    [
        ("int8", [-127, 5], 0, True, -127.0),
        ("int8", [-128, 5], 0, False, -128.0),
        ("int8", [-127, 5], 1, False, -129.0),
        ("uint8", [1, 255], 0, False, 0.0),
    ],
)
def test_narrow_range(dtype: str, values: list[int], zero: int, narrow: bool, lowest: float) -> None:
    data = np.array(values, dtype)
    tensor = Tensor("w", dtype, (2,), (1.0,), (zero,), constant=True, bytes=2, buffer=1, data=data)
    row = ranges.rows(graph_of(tensor))[0]
    assert (row.narrow_range, row.range_min) == (narrow, lowest)
    assert (row.value_min, row.value_max) == (min(values) - zero, max(values) - zero)


def test_per_channel_values_use_their_own_scale() -> None:
    data = np.array([[1, 2], [-3, 4]], np.int8)
    tensor = Tensor("w", "int8", (2, 2), (1.0, 10.0), (0, 0), 0, True, 4, 1, data)
    row = ranges.rows(graph_of(tensor))[0]
    assert (row.value_min, row.value_max, row.quantized_dimension) == (-30.0, 40.0, 0)
    assert (row.range_min, row.range_max) == (-1270.0, 1270.0)
