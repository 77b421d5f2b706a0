"""Colours of dtypes: light ones to fill, darker ones for lines and text."""

from __future__ import annotations

_COLOURS = {
    "float32": ("#dbe4f0", "#51698c"),
    "float16": ("#c9d3fb", "#4b56b8"),
    "bfloat16": ("#c9d3fb", "#4b56b8"),
    "float64": ("#c4cad6", "#414b5e"),
    "int8": ("#bde5bf", "#2f7d36"),
    "uint8": ("#dcecad", "#5f7a12"),
    "int4": ("#a8e0d9", "#0f766e"),
    "uint4": ("#a8e0d9", "#0f766e"),
    "int2": ("#a8e0d9", "#0f766e"),
    "int16": ("#fde3a0", "#946200"),
    "int32": ("#f7d3b5", "#a0521c"),
    "int64": ("#f3c6bd", "#a63f2a"),
    "bool": ("#e6d5f1", "#7a4a9b"),
}
_OTHER = ("#e5e7eb", "#4b5563")


def fill(dtype: str) -> str:
    """Return the colour of an area, as ``#rrggbb``."""
    return _COLOURS.get(dtype, _OTHER)[0]


def stroke(dtype: str) -> str:
    """Return the colour of a line, as ``#rrggbb``; dark enough for small text on white."""
    return _COLOURS.get(dtype, _OTHER)[1]
