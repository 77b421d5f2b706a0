"""A picture before anything is laid out: boxes, arrows, frames, panels. Texts are as they are in the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a box."""

    text: str
    dtype: str = ""
    """Colours the line; empty: white."""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A step, a row of blocks, or a port."""

    id: str
    """Made by us: letters and digits, never out of the file."""
    lines: tuple[Line, ...]
    tooltip: str
    kind: str = "step"
    """``step``, ``row`` (closed blocks) or ``port`` (an input or output of the graph)."""
    mark: str = ""
    """Letter under which a closed block is drawn open elsewhere."""
    count: int = 1
    alone: bool = False
    """Nothing on the other side of a comparison corresponds to it."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A value on its way from one box to another."""

    source: str
    target: str
    dtype: str
    lines: tuple[str, ...]
    """Shape, and for a quantized value scale and zero point; empty where another arrow says it."""
    tooltip: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Boxes of one block, drawn open."""

    title: str
    boxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph, or one kind of block drawn open."""

    title: tuple[str, ...]
    """Its first line is strong."""
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    frames: tuple[Frame, ...] = ()
    mark: str = ""

    @property
    def dtypes(self) -> set[str]:
        """Return the dtypes that colour something."""
        return {line.dtype for box in self.boxes for line in box.lines} | {one.dtype for one in self.arrows} - {""}


@dataclass(frozen=True, slots=True)
class Side:
    """A graph with the kinds of blocks that it is made of."""

    panel: Panel
    kinds: tuple[Panel, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One graph, or two side by side."""

    sides: tuple[Side, ...]
    level: tuple[tuple[str, str], ...] = ()
    """Boxes of the two sides that correspond and stand at one height."""
