"""Coarse words for operators: the same in every format, made from the vocabulary."""

from __future__ import annotations

import pytest

from harness.graph.families import _word, families, family, members
from harness.graph.legal.tables import FORMATS, table


@pytest.mark.parametrize(
    ("word", "ops"),
    [("conv", "CONV_2D Conv Conv2D _FusedConv2D QLinearConv"), ("depthwise", "DEPTHWISE_CONV_2D DepthwiseConv2dNative"),
     ("dense", "FULLY_CONNECTED Gemm MatMul Dense"), ("norm", "FusedBatchNormV3 BatchNormalization"),
     ("activation", "Relu RELU6 HARD_SWISH LOGISTIC Clip HardSigmoid"), ("reshape", "RESHAPE Flatten Unsqueeze")],
)  # fmt: skip
def test_words_do_not_depend_on_the_format(word: str, ops: str) -> None:
    assert {family(op) for op in ops.split()} == {word}
    assert set(ops.split()) <= members(word)


def test_no_operator_is_another_thing_in_another_format() -> None:
    for framework in set(FORMATS.values()):
        assert {op: families().get(op) for op in table(framework)} == {
            op: _word(entry) for op, entry in table(framework).items()
        }


def test_what_is_in_no_family_keeps_its_name() -> None:
    assert family("SQUARED_DIFFERENCE") == family("SquaredDifference") == "squareddifference"
