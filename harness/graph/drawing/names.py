"""Names of layers, out of the names of operators that converters make of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SHARE = 0.6
"""Share of all names that must begin with a scope for it to be the model's own."""
_PRODUCT = re.compile(r"(conv|depthwise|matmul|einsum)", re.IGNORECASE)
_WORDS = re.compile(r"[^_/.:;\s]+")


@dataclass(frozen=True)
class Layers:
    """How the operators of one graph are named; ``scope`` is what nearly all names begin with."""

    scope: tuple[str, ...]

    def layer(self, name: str) -> str:
        """Return the layer that an operator belongs to: ``block_1_expand``."""
        path = self._path(name)
        return path[0] if path else name

    def whole(self, name: str) -> str:
        """Return the layer with the layers that it is part of: ``expanded_conv_3/squeeze_excite/Conv``."""
        path = self._path(name)
        return "/".join(path[:-1] if len(path) > 1 else path) or name

    def place(self, name: str) -> tuple[str, ...]:
        """Return the words of a layer's whole path: ``("block", "1", "expand")``."""
        path = self._path(name)
        return tuple(_WORDS.findall("/".join(path[:-1] if len(path) > 1 else path)))

    def _path(self, name: str) -> list[str]:
        """Return where an operator is. A fused one has the names of all its parts, with semicolons: that of the
        product counts, else the shortest."""
        paths = [self._inside(part) for part in name.split(";") if part]
        products = [path for path in paths if len(path) > 1 and _PRODUCT.match(path[-1])]
        return products[-1] if products else min(paths, key=lambda one: (len(one) < 2, len(one[0])), default=[])

    def _inside(self, name: str) -> list[str]:
        path = [one for one in name.strip("/").split("/") if one]
        size = len(self.scope)
        return (path[size:] if tuple(path[:size]) == self.scope and len(path) > size else path) or [name]


def layers(names: Iterable[str]) -> Layers:
    """Return what ``names`` have in common."""
    paths = [name.partition(";")[0].split("/")[:-1] for name in names]
    scope: tuple[str, ...] = ()
    while True:
        size = len(scope)
        found = Counter(path[size] for path in paths if len(path) > size and tuple(path[:size]) == scope)
        best, count = found.most_common(1)[0] if found else ("", 0)
        if not best or len(paths) < 2 or count < _SHARE * len(paths):
            return Layers(scope)
        scope = (*scope, best)


def numbered(words: Sequence[str]) -> tuple[str, ...]:
    """Return the longest beginning of ``words`` whose last word has a digit: the number of a block."""
    for size in range(len(words), 0, -1):
        if any(sign.isdigit() for sign in words[size - 1]):
            return tuple(words[:size])
    return ()


def most_common(places: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the number that half of ``places`` or more begin with, the longest such one; empty when there is none."""
    known = list(places)
    counts = Counter(found for place in known for found in _beginnings(place))
    fit = [found for found, count in counts.items() if 2 * count >= len(known)]
    return max(fit, key=lambda found: (len(found), counts[found]), default=())


def _beginnings(place: Sequence[str]) -> set[tuple[str, ...]]:
    found = set()
    while number := numbered(place):
        found.add(number)
        place = number[:-1]
    return found


def shared(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the words that both begin with."""
    found = []
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        found.append(one)
    return tuple(found)
