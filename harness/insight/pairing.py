"""Which values of two graphs are the same, whatever their converters called them, and how far they are apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.graph.ops import CONVERSIONS, MOVES
from harness.insight.errors import About, Layer, Sums, layers

WRAPPED = 0.5
"""Share of the names of both graphs from which on their commonest first part is the model around the layers."""
Named = Mapping[str, Sequence[str]]
"""Value → all the names that stand for it, in the order of the graph."""

_ENDS = re.compile(r"(:\d+|__\d+|_prequant|_dequant|_real|_quantized|_QuantizeLinear|_DequantizeLinear)$")
_RANGE = re.compile(r"(?<=.)_range/FakeQuant\w*$")
_PART = re.compile(r"(?<=.)_(linear|sigmoid)$")
"""What ``harness.qat`` adds to the name of a layer that it takes apart."""
_OP = re.compile(r"FusedBatchNormV3|Conv2D|[A-Za-z]+")
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class Values(Protocol):
    """A graph, opened so that the values between its layers can be read."""

    def named(self) -> dict[str, tuple[str, ...]]:
        """Return value → all the names that stand for it."""
        ...

    def run(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return value → real numbers for one image."""
        ...

    def about(self) -> dict[str, About]:
        """Return what the graph says of each value, in order."""
        ...


def cleaned(name: str) -> str:
    """Return a name without what converters put around it.

    ``net/conv1/Conv2D_prequant__3:0`` is ``net/conv1/Conv2D``, and the range of a whole layer,
    ``StatefulPartitionedCall/net/conv1_range/FakeQuantWithMinMaxVars_QuantizeLinear__17:0``, is ``net/conv1/``.
    """
    left = name.removeprefix("StatefulPartitionedCall/")
    while (shorter := _ENDS.sub("", left)) != left:
        left = shorter
    return _RANGE.sub("/", left) or name


def plain(name: str) -> str:
    """Return a clean name, of several joined by ``;`` the first: that of the last operator."""
    return cleaned(name.partition(";")[0])


def pairs(own: Named, floating: Named) -> dict[str, str]:
    """Return value → the same value of the other graph, for those that have one.

    By layer and operator, in order (``mul`` is ``mul_1``) where both have as many; then by the whole name; then the
    last value of a layer by the layer.
    """
    left, right = _without_model(own, floating)
    found = _in_order(left, right)
    free = {value: names for value, names in right.items() if value not in set(found.values())}
    rest = {value: names for value, names in left.items() if value not in found}
    found |= _both(_last(rest, str), _last(free, str))
    ours, theirs = (_last(side, _layer) for side in (left, right))
    taken = set(found.values())
    ours = {key: value for key, value in ours.items() if value not in found}
    return found | _both(ours, {key: value for key, value in theirs.items() if value not in taken})


def _in_order(left: Named, right: Named) -> dict[str, str]:
    """Return the pairs of values of one layer and operator, first with first, where both sides have as many."""
    ours, theirs = _by_operator(left), _by_operator(right)
    same = [key for key in ours if len(ours[key]) == len(theirs.get(key, ()))]
    return _both(
        {f"{key} {number}": value for key in same for number, value in enumerate(ours[key])},
        {f"{key} {number}": value for key in same for number, value in enumerate(theirs[key])},
    )


def _by_operator(side: Named) -> dict[str, list[str]]:
    """Return layer and operator → the values that have a name of it."""
    found: dict[str, list[str]] = {}
    for value, names in side.items():
        for key in dict.fromkeys(map(_layer_and_op, names)):
            if key:
                found.setdefault(key, []).append(value)
    return found


def _both(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Return the pairs of one key, each value once; a later key says more of a value than an earlier one."""
    pairs = {ours[key]: theirs[key] for key in ours if key and key in theirs}
    partners = {other: value for value, other in pairs.items()}
    return {value: other for other, value in partners.items()}


def _last(side: Named, reading: Callable[[str], str]) -> dict[str, str]:
    return {reading(name): value for value, names in side.items() for name in names}


def _without_model(own: Named, floating: Named) -> tuple[Named, Named]:
    """Return the plain names, without the name of the model where most of them on both sides begin with one."""
    sides = [{value: [plain(name) for name in names] for value, names in side.items()} for side in (own, floating)]
    prefixes = [_commonest(side) for side in sides]
    if None in prefixes:
        return sides[0], sides[1]
    left, right = (
        {value: [name.removeprefix(f"{prefix}/") for name in names] for value, names in side.items()}
        for side, prefix in zip(sides, prefixes, strict=True)
    )
    return left, right


def _commonest(side: Named) -> str | None:
    """Return what most names begin with, None when there is no such thing."""
    first = Counter(name.partition("/")[0] for names in side.values() for name in names if "/" in name)
    common, times = first.most_common(1)[0] if first else ("", 0)
    return common if times and times >= WRAPPED * first.total() else None


def _layer(name: str) -> str:
    return name.rpartition("/")[0]


def _layer_and_op(name: str) -> str:
    layer, _, last = name.rpartition("/")
    op = _OP.match(last)
    return f"{_PART.sub('', layer)}/{op[0]}" if layer and op else ""


class Comparison:
    """The values of a quantized graph and of its float graph, image by image."""

    def __init__(self, own: Values, floating: Values) -> None:
        self._own, self._floating = own, floating
        self.pairs = pairs(own.named(), floating.named())
        self._sums: dict[str, Sums] = {}

    def add(self, pixels: NDArray[np.float32]) -> None:
        """Run both on one image, float32 (1, H, W, C)."""
        reference, own = self._floating.run(pixels), self._own.run(pixels)
        for value, other in self.pairs.items():
            if value in own and other in reference and (same := aligned(own[value], reference[other])) is not None:
                self._sums.setdefault(value, Sums()).add(reference[other], same)

    def layers(self) -> list[Layer]:
        """Return a layer for each value that both have."""
        return layers(self._sums, self._own.about())

    def computed(self) -> int:
        """Return how many values the quantized graph computes: what it only moves or converts has no error."""
        about = self._own.about()
        return sum(value in self._sums or one.op not in MOVES | CONVERSIONS for value, one in about.items())


def aligned(own: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any] | None:
    """Return ``own`` with the axes of ``reference``, None when it does not fit; channels may be first or last.

    Where several orders fit (height, width and channels of one size) it is the one that is nearest.
    """
    fitting = [one for one in _orders(own) if one.shape == reference.shape]
    if len(fitting) > 1:
        return min(fitting, key=lambda one: float(np.square(one.astype(np.float64) - reference).sum()))
    if fitting:
        return fitting[0]
    flat = [size for size in own.shape if size != 1]
    return own.reshape(reference.shape) if flat == [size for size in reference.shape if size != 1] else None


def _orders(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    yield values
    if values.ndim == len(_TO_LAST):
        yield values.transpose(_TO_LAST)
        yield values.transpose(_TO_FIRST)
