"""How far each value of a quantized graph is from the same value of the float graph, over some images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

INPUT_DB = 48.0
"""SQNR of what was only rounded to 8 bits: 6 dB a bit."""
SOUND_DB = 30.0
"""SQNR from which on more of it makes no difference: noise of a thousandth of the signal's power."""
CEILING_DB = 200.0
"""SQNR of values that are equal to the last bit."""
Values = Mapping[str, NDArray[Any]]
"""Name of a value → its numbers on one image."""


@dataclass(slots=True)
class Sums:
    """What is added up over images, in float64: enough for SQNR, cosine and ranges."""

    signal: float = 0.0
    noise: float = 0.0
    own: float = 0.0
    product: float = 0.0
    max_abs_error: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, reference: NDArray[Any], found: NDArray[Any]) -> None:
        """Add one image; both of the same shape."""
        one, two = reference.astype(np.float64), found.astype(np.float64)
        error = two - one
        self.signal += float((one * one).sum())
        self.own += float((two * two).sum())
        self.noise += float((error * error).sum())
        self.product += float((one * two).sum())
        self.max_abs_error = max(self.max_abs_error, float(np.abs(error).max(initial=0)))
        self.low, self.high = min(self.low, float(one.min(initial=0))), max(self.high, float(one.max(initial=0)))

    @property
    def sqnr_db(self) -> float | None:
        """Signal to quantization noise; None for a float value that is zero throughout, or not finite itself."""
        if not self.signal or not math.isfinite(self.signal):
            return None
        if not math.isfinite(self.noise):
            return -CEILING_DB
        ratio = 10 * (math.log10(self.signal) - math.log10(self.noise)) if self.noise else CEILING_DB
        return min(CEILING_DB, ratio)

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between both, None when one is zero throughout."""
        size = math.sqrt(self.signal * self.own)
        return self.product / size if size else None


@dataclass(frozen=True, slots=True)
class Layer:
    """One value that both graphs have, and the operator of the quantized graph that computes it."""

    position: int
    """In the order of the quantized graph."""
    name: str
    op: str
    dtype: str
    """Of the value in the quantized graph."""
    sqnr_db: float | None
    cosine: float | None
    lost_db: float | None
    """SQNR of the worst value that goes in, minus that of this one: what is lost here. None for the first."""
    max_abs_error: float
    range_min: float
    """Of the float value on these images."""
    range_max: float
    scale: float | None
    zero_point: int | None
    weight_scale_min: float | None = None
    weight_scale_max: float | None = None
    """Least and greatest scale of the kernel; equal when it has one for all channels."""
    weight_min: float | None = None
    weight_max: float | None = None
    """Of the stored kernel, real values."""
    channel_spread: float | None = None
    """Largest ÷ smallest of the channels' largest weights: what one scale for all has to bear."""


@dataclass(frozen=True, slots=True)
class About:
    """What the quantized graph says of a value."""

    op: str
    dtype: str
    inputs: tuple[str, ...]
    """Names of values that go in."""
    scale: float | None = None
    zero_point: int | None = None
    weights: Mapping[str, float | None] = field(default_factory=dict)
    """The fields of ``Layer`` about the kernel."""


def layers(sums: Mapping[str, Sums], about: Mapping[str, About]) -> list[Layer]:
    """Return a layer for each value, in the order of ``about``."""
    found: list[Layer] = []
    ratios = {name: one.sqnr_db for name, one in sums.items()}

    def known(name: str) -> Iterator[float]:
        """Yield the SQNR of what goes into a value; looked up through what has no float partner."""
        left, seen = list(about[name].inputs), {name}
        while left:
            source = left.pop()
            if source in seen or source not in about:
                continue
            seen.add(source)
            if source not in ratios:
                left += about[source].inputs
            elif (ratio := ratios[source]) is not None:
                yield ratio

    for position, (name, one) in enumerate((name, one) for name, one in about.items() if name in sums):
        total = sums[name]
        before = list(known(name))
        ratio = total.sqnr_db
        lost = min(before) - ratio if before and ratio is not None else None
        found.append(
            Layer(
                position=position,
                name=name,
                op=one.op,
                dtype=one.dtype,
                sqnr_db=ratio,
                cosine=total.cosine,
                lost_db=lost,
                max_abs_error=total.max_abs_error,
                range_min=total.low,
                range_max=total.high,
                scale=one.scale,
                zero_point=one.zero_point,
                **one.weights,
            )
        )
    return found


def first_broken(found: Sequence[Layer], floor_db: float) -> Layer | None:
    """Return the first layer under ``floor_db`` whose inputs were not; None when there is none."""
    return next((one for one in found if one.sqnr_db is not None and one.sqnr_db < floor_db), None)


def worst(found: Sequence[Layer], count: int = 10) -> list[Layer]:
    """Return the layers in which most is lost, the worst first; those at the input are held against 8 bits.

    Decibels between ``SOUND_DB`` and 0 count before all others: from 50 to 30 nothing is lost that anybody misses, and
    what is noise altogether cannot become worse.
    """

    def lost(one: Layer) -> tuple[float, float]:
        own = one.sqnr_db or 0.0
        before = INPUT_DB if one.lost_db is None else own + one.lost_db
        return min(before, SOUND_DB) - min(max(own, 0.0), SOUND_DB), before - own

    return sorted((one for one in found if one.sqnr_db is not None), key=lost, reverse=True)[:count]


def ranked(found: Sequence[Layer]) -> list[Layer]:
    """Return all layers, the worst first; those at the input are held against an input of 8 bits.

    The worst adds most noise for its signal: noise powers add up on the way to the output, decibels do not. (A layer
    that falls from 50 to 30 dB loses more of them than one that falls from 12 to 9, and does a sixtieth of the harm.)
    """

    def share(db: float) -> float:
        return min(1.0, math.pow(10.0, -db / 10))  # what is noise altogether cannot become worse

    def added(one: Layer) -> float:
        if one.sqnr_db is None:
            return 0.0
        before = INPUT_DB if one.lost_db is None else one.sqnr_db + one.lost_db
        return share(one.sqnr_db) - share(before)

    return sorted(found, key=lambda one: -added(one))
