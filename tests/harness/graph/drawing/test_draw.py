"""Pictures of whole graphs, alone and side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.graph.drawing import draw
from harness.graph.drawing.picture import Box, Picture
from harness.graph.model import Graph
from harness.graph.read import read
from tests.harness.graph.building import Building, residual


def boxes(picture: Picture, side: int = 0) -> dict[str, Box]:
    return {box.id: box for box in picture.sides[side].panel.boxes}


def network(dtype: str = "float32", quantized: bool = False) -> Graph:
    building = Building()
    scale = {"scales": (0.25,), "zero_points": (-3,)} if quantized else {}
    out = building.input()
    if quantized:
        out = building.node("QUANTIZE", out, name="tfl.quantize", dtype=dtype, **scale)
    for number in range(8):
        out = residual(building, out, f"net/block_{number}", dtype=dtype, **scale)
    if quantized:
        out = building.node("DEQUANTIZE", out, name="net/block_7_add/add")
    return building.graph(scores=out)


def test_arrows_go_from_box_to_box_and_say_what_flows() -> None:
    picture = draw.picture(network("int8", quantized=True), "net", depth="steps")
    panel = picture.sides[0].panel
    known = boxes(picture)
    assert len(known) == 1 + 1 + 8 * 3 + 1 + 1
    assert all(arrow.source in known and arrow.target in known for arrow in panel.arrows)
    assert len(panel.arrows) == 1 + 1 + 8 * 4 + 1
    first = next(arrow for arrow in panel.arrows if known[arrow.source].lines[0].text == "QUANTIZE")
    assert first.lines == ("1×8×8×4", "int8  s 0.25  z -3")
    assert (first.dtype, "scale 0.25, zero point -3" in first.tooltip) == ("int8", True)


def test_a_row_of_blocks_is_one_box_and_its_kind_is_drawn_once() -> None:
    picture = draw.picture(network(), "net", depth="blocks")
    (row,) = (box for box in boxes(picture).values() if box.kind == "row")
    assert (row.mark, row.count, row.lines[0].text) == ("A", 8, "block_0 … block_7")
    (kind,) = picture.sides[0].kinds
    assert (kind.mark, [box.lines[0].text for box in kind.boxes]) == (
        "A",
        ["in", "CONV_2D 1×1", "CONV_2D 1×1", "ADD", "out"],
    )


def test_before_and_after_stand_at_one_height() -> None:
    picture = draw.pictures((network(), "float"), (network("int8", quantized=True), "int8"))
    left, right = boxes(picture, 0), boxes(picture, 1)
    level = [(left[one].lines[0].text, right[other].lines[0].text) for one, other in picture.level]
    assert level == [("block_0 … block_7", "block_0 … block_7"), ("image", "image"), ("scores", "scores")]
    assert [box.lines[0].text for box in right.values() if box.alone] == ["QUANTIZE", "DEQUANTIZE"]
    assert not any(box.alone for box in left.values())
    assert [kind.mark for side in picture.sides for kind in side.kinds] == ["A", "A′"]


def test_the_same_graph_twice_has_nothing_alone() -> None:
    for depth in ("blocks", "steps", "operators"):
        picture = draw.pictures((network(), "one"), (network(), "other"), depth=depth)
        assert not any(box.alone for side in (0, 1) for box in boxes(picture, side).values())


def test_without_a_name_in_common_operators_decide() -> None:
    building = Building("onnx")
    data = building.input()
    conv = building.node("Conv", data, building.constant((4, 4, 1, 1)), name="7")
    onnx = building.graph(result=building.node("GlobalAveragePool", conv, name="8"))
    building = Building()
    tflite = building.graph(y=building.node("MEAN", building.conv(building.input("x"), "a/b"), name="c/d"))
    picture = draw.pictures((onnx, "onnx"), (tflite, "tflite"))
    assert [boxes(picture, 1)[one].lines[0].text for _, one in picture.level] == ["CONV_2D 1×1", "MEAN", "x", "y"]


def test_an_empty_graph_and_one_that_only_hands_over() -> None:
    assert not draw.picture(Graph("tflite", (), (), {}, {}), "empty").sides[0].panel.boxes
    building = Building()
    data = building.input()
    panel = draw.picture(building.graph(data), "wire").sides[0].panel
    assert [(arrow.source, arrow.target) for arrow in panel.arrows] == [("gi0", "go0")]


def test_a_real_conversion(tiny: Path) -> None:
    graphs = [(read(tiny / f"{scheme}.tflite", "tflite"), scheme) for scheme in ("float32", "int8")]
    picture = draw.pictures(graphs[0], graphs[1])
    alone = [box.lines[0].text for box in boxes(picture, 1).values() if box.alone]
    assert alone == ["QUANTIZE", "DEQUANTIZE"]
    assert len(picture.level) == len(boxes(picture, 0))
    weights = [box.lines[-1].text for box in boxes(picture, 1).values() if box.lines[-1].text.startswith("weights")]
    assert weights[0] == "weights 8×3×3×3 int8, 8 scales"


@pytest.mark.parametrize("letters", [30])
def test_letters_do_not_run_out(letters: int) -> None:
    building = Building()
    out = building.input()
    for number in range(letters):
        for turn in range(2):
            for step in range(number + 2):
                out = building.node("ABS", out, name=f"net/block_{number}{'abc'[turn]}_{step}/Abs")
    marks = [kind.mark for kind in draw.picture(building.graph(out), "net", depth="blocks").sides[0].kinds]
    assert len(set(marks)) == len(marks) == letters
    assert marks[24:28] == ["Y", "Z", "A1", "B1"]
