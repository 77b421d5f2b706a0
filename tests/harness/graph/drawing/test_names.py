from __future__ import annotations

import pytest

from harness.graph.drawing.names import layers, most_common, numbered, shared

SCOPED = [f"call/net_1.00/{layer}/Conv2D" for layer in ("Conv1", "block_1_expand", "block_1_project", "block_2_expand")]


def test_the_scope_of_the_model_is_no_part_of_a_layer() -> None:
    known = layers([*SCOPED, "tfl.quantize"])
    assert known.scope == ("call", "net_1.00")
    assert [known.layer(name) for name in SCOPED] == ["Conv1", "block_1_expand", "block_1_project", "block_2_expand"]
    assert known.layer("tfl.quantize") == "tfl.quantize"
    assert known.place(SCOPED[1]) == ("block", "1", "expand")


def test_a_fused_operator_is_named_after_its_product() -> None:
    known = layers(["m/a/Conv2D", "m/b/Conv2D"])
    assert known.layer("m/re_lu_1/Relu;m/a/bn/FusedBatchNormV3;m/a/depthwise/depthwise;m/a/Conv2D1") == "a"
    assert known.layer("m/out/Relu;m/add/add") == "out"
    assert known.whole("m/block_3/squeeze/Conv/Conv2D") == "block_3/squeeze/Conv"


@pytest.mark.parametrize("name", ["", ";", "/", ";;/;", "a", " ", "\n"])
def test_any_name_is_a_layer(name: str) -> None:
    assert isinstance(layers([name, "x/y"]).layer(name), str)
    assert isinstance(layers([name]).place(name), tuple)


def test_numbers_of_blocks() -> None:
    assert numbered(("conv2", "block1", "0", "conv")) == ("conv2", "block1", "0")
    assert numbered(("predictions",)) == ()
    assert shared(("block", "1", "a"), ("block", "1", "b")) == ("block", "1")
    places = [("block", "1", "expand"), ("block", "1", "add"), ("re", "lu", "7")]
    assert most_common(places) == ("block", "1")
    assert most_common([("a",), ("b",)]) == ()
