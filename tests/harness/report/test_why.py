"""What is told of a cell's layers: the answer first, how much of the graph it rests on, and a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.insight.errors import Layer
from harness.report import why

GOOD = Layer(0, "net/stem/Relu", "CONV_2D", "int8", 38.0, 0.9999, None, 0.01, 0.0, 6.0, 0.0235, -128)
BAD = Layer(
    1, "net/a/Relu;net/a/Conv2D", "CONV_2D", "int8", 6.2, 0.9, 31.8, 2.0, -1.0, 5.0, 0.0235, -3,
    weight_scale_min=0.01, weight_scale_max=0.01, weight_min=-1.2, weight_max=1.27, channel_spread=400.0,
)  # fmt: skip
DEAD = Layer(2, "net/dead", "ADD", "int8", None, None, None, 0.0, 0.0, 0.0, 0.1, 0)


def told(*layers: Layer, broken: Layer | None = None, computed: int | None = None) -> why.Why:
    known = computed or len(layers)
    return why.Why("net/int8/tflite/xnnpack/t1", "none/tflite", 8, 10.0, layers, known, broken, layers)


def test_the_broken_layer_is_the_headline_with_its_cause() -> None:
    assert why.headline(told(GOOD, BAD, broken=BAD)) == (
        "first layer under 10 dB: #1 CONV_2D 'net/a/Relu;net/a/Conv2D' with 6.2 dB, 31.8 dB of them lost in it; "
        "its kernel's channels are 400× apart and have one scale"
    )
    better = replace(BAD, lost_db=-2.0, weight_scale_max=0.2)
    assert "none of them lost in it; its kernel's channels are 400× apart and have a scale for each" in why.headline(
        told(better, broken=better)
    )


def test_without_one_the_lowest_is_told() -> None:
    assert why.headline(told(GOOD, DEAD)) == "no layer is under 10 dB; the lowest is 38.0 dB"
    assert why.headline(told()) == "no layer is under 10 dB"


@pytest.mark.parametrize(("computed", "partial"), [(2, False), (4, False), (5, True)])
def test_how_much_of_the_graph_was_compared(computed: int, partial: bool) -> None:
    page = told(GOOD, BAD, computed=computed)
    assert why.partners(page) == f"2 of {computed} values have a float partner"
    assert why.partial(page) is partial


def test_the_page_has_every_layer_and_its_picture() -> None:
    page = told(GOOD, BAD, DEAD, broken=BAD)
    text = why.markdown(page)
    assert "3 of 3 values have a float partner" in text
    assert "net/a/Conv2D | 6.2 | 31.8 | 0.9000 | -1 … 5 | 0.0235 | -3 | -1.2 … 1.27 | 0.01 | 400 |" in text
    assert text.count("| 2 | ADD") == 2
    picture = why.picture(page)
    assert picture == why.picture(page)
    assert b"first under 10 dB" in picture
    assert b"first under" not in why.picture(told(GOOD))
