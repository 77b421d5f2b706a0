"""Numbered notes beneath tables. What differs in its figures or in names of operators alone is one note."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.report.shown import NO_REASON, one_line, squeezed

_NAME = 60
"""Characters of a name; the name of a fused operator is all that it is made of."""
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_VARIES = re.compile(
    rf"(?<=\w ){_NUMBER}(?= is (?:below|above) )"  # a measured value; its bound stays
    rf"|(?<=p = ){_NUMBER}"
    r"|\b\d+(?= more(?:$|\W))"
    r"|(?<= takes no )[\w-]+(?=: )|(?<=: Layer )\w+(?=:<)"  # a model and a layer, as tfmot names them
    r"|[^\s'\"(),]*/[^\s'\"(),:]*"  # an operator, as converters name them
)


@dataclass(slots=True)
class Notes:
    """Texts beneath tables, each with one number however often it is used."""

    size: int = 240
    """Characters of a text."""
    _found: dict[tuple[str, ...], list[list[str]]] = field(default_factory=dict)
    """What stays the same → for each place that varies, what stood there."""

    def number(self, text: str) -> int:
        """Return the number of ``text``, counted from 1."""
        text = one_line(text) or NO_REASON
        varying = [match[0] for match in _VARIES.finditer(text)]
        key = tuple(_VARIES.sub("\0", text).split("\0"))
        places = self._found.setdefault(key, [[] for _ in varying])
        for place, one in zip(places, varying, strict=True):
            if one not in place:
                place.append(one)
        return list(self._found).index(key) + 1

    @property
    def texts(self) -> list[str]:
        """What the notes say, in order: figures as their range, of several names the first."""
        told = (zip(key, [*map(_span, places), ""], strict=True) for key, places in self._found.items())
        return [squeezed("".join(part for pair in pairs for part in pair), self.size) for pairs in told]


def _span(values: list[str]) -> str:
    """Return what stands for all of them: ``0.93–0.96``, ``block1/Conv2D and 3 more``."""
    if len(values) == 1:
        return squeezed(values[0], _NAME)
    if all(re.fullmatch(_NUMBER, one) for one in values):
        return f"{min(values, key=float)}–{max(values, key=float)}"
    return f"{squeezed(values[0], _NAME)} and {len(values) - 1} more"
