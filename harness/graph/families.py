"""Operators in a few coarse words, for pictures and patterns; made from the one vocabulary of ``legal``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.graph.legal.tables import FORMATS, Entry, kinds, table

_WORDS = {
    "conv": "Conv1D Conv2D Conv3D",
    "depthwise": "DepthwiseConv1D DepthwiseConv2D",
    "dense": "MatMul",
    "add": "Add",
    "mul": "Mul",
    "norm": "BatchNorm",
    "mean": "Mean",
    "pool": "MaxPool AveragePool",
    "concat": "Concat",
    "softmax": "Softmax",
    "quantize": "QuantizeLinear",
    "dequantize": "DequantizeLinear",
    "reshape": "Reshape",
    "pad": "Pad MirrorPad",
}
"""Word → legal names."""
_WORD = {legal: word for word, names in _WORDS.items() for legal in names.split()}
_ACTIVATIONS = ("activation", "hard_sigmoid", "clip")
"""Recipes that unfold an activation of many forms."""


@cache
def families() -> Mapping[str, str]:
    """Return operator → what it is in any format; operators that are in no family are not listed."""
    pairs = (pair for framework in sorted(set(FORMATS.values())) for pair in table(framework).items())
    return {op: word for op, entry in pairs if (word := _word(entry)) is not None}


def _word(entry: Entry) -> str | None:
    activates = kinds().get(entry.legal) == "activations" and entry.legal != "LogSoftmax"
    return _WORD.get(entry.legal) or ("activation" if activates or entry.recipe in _ACTIVATIONS else None)


def members(word: str) -> frozenset[str]:
    """Return all operators of a family."""
    return frozenset(op for op, family in families().items() if family == word)


def family(op: str) -> str:
    """Return the word for an operator that does not depend on the format."""
    return families().get(op, op.lower().replace("_", ""))
