"""Series as lines: where each point lies in a picture; the template draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.history.latency import Seen
from harness.report.shown import milliseconds

LEAST_SPAN = 0.1
"""Share of the largest value that the height shows at least, so that noise does not look like a mountain range."""
NEWEST = 120
"""Points that a picture holds."""
_EDGE = 4.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a picture."""

    x: float
    y: float
    low: float
    """Where its interval begins, and ends; both ``y`` without one."""
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A series, laid out in pixels from the upper left corner."""

    width: int
    height: int
    line: str
    """``points`` of an SVG polyline."""
    dots: tuple[Dot, ...]
    steps: tuple[float, ...]
    """x of the change points."""
    band: tuple[float, float] | None
    """y of what would stand out above and below; None when nothing is judged."""
    top: float
    """The value at the upper edge, and at the lower one."""
    bottom: float


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    width: int
    height: int
    count: int

    def x(self, index: int) -> float:
        return round(_EDGE + (self.width - 2 * _EDGE) * (index / (self.count - 1) if self.count > 1 else 0.5), 1)

    def y(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(_EDGE + (self.height - 2 * _EDGE) * (self.high - inside) / (self.high - self.low), 1)


def plain(values: Sequence[float], width: int = 130, height: int = 30) -> Picture:
    """Return a line of values alone."""
    kept = list(values[-NEWEST:])
    scale = _scale(kept, len(kept), width, height)
    dots = tuple(Dot(scale.x(i), scale.y(v), scale.y(v), scale.y(v), "") for i, v in enumerate(kept))
    return Picture(width, height, _line(dots), dots, (), None, scale.high, scale.low)


def latencies(one: Seen, width: int = 130, height: int = 30) -> Picture:
    """Return a series of latencies with its intervals, change points, and the band that the newest is held against."""
    points = one.series.points[-NEWEST:]
    skipped = len(one.series.points) - len(points)
    normal = one.standing.level if one.standing else None
    bounds = (normal.median * normal.factor, normal.median / normal.factor) if normal else None
    scale = _scale([*(p.value for p in points), *(bounds or ())], len(points), width, height)
    dots = tuple(
        Dot(
            scale.x(i),
            scale.y(p.value),
            scale.y(p.value if p.low is None else p.low),
            scale.y(p.value if p.high is None else p.high),
            f"{p.at[:10]} {p.run}: {milliseconds(p.value)} ms",
        )
        for i, p in enumerate(points)
    )
    steps = tuple(round(scale.x(c.index - skipped) - _gap(scale), 1) for c in one.changes if c.index > skipped)
    band = (scale.y(bounds[0]), scale.y(bounds[1])) if bounds else None
    return Picture(width, height, _line(dots), dots, steps, band, scale.high, scale.low)


def _scale(values: Sequence[float], count: int, width: int, height: int) -> _Scale:
    low, high = min(values), max(values)
    spare = max(0.0, LEAST_SPAN * (abs(high) or 1.0) - (high - low)) / 2
    return _Scale(low - spare, high + spare, width, height, count)


def _gap(scale: _Scale) -> float:
    """Return half the way from a point to the next."""
    return (scale.x(1) - scale.x(0)) / 2 if scale.count > 1 else 0.0


def _line(dots: Sequence[Dot]) -> str:
    return " ".join(f"{dot.x:g},{dot.y:g}" for dot in dots)
