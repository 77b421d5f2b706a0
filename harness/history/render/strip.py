"""The status of a cell over many runs as a row of bars; runs that are alike are one, or the page would be of bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.compare.status import WORKS, described
from harness.records import Record

STEP = 4
"""Pixels from run to run."""
NEWEST = 60
"""Runs that are shown."""
_KINDS = {"ok": "works", "noisy": "noise", "unsupported": "refused"}


@dataclass(frozen=True, slots=True)
class Bar:
    """Runs in a row with the same status."""

    x: int
    width: int
    kind: str
    """``works``, ``noise``, ``refused`` or ``stops``."""
    tall: bool
    text: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A row of bars, oldest at the left."""

    width: int
    bars: tuple[Bar, ...]
    label: str
    """What a reader who does not see it is told."""


def strip(records: Sequence[Record]) -> Strip:
    """Return the last runs of a cell, oldest first."""
    kept = records[-NEWEST:]
    bars, x = [], 0
    for text, group in groupby(kept, key=described):
        alike = list(group)
        bars.append(_bar(x, text, alike))
        x += STEP * len(alike)
    worked = sum(record.status in WORKS for record in kept)
    label = f"{worked} of {len(kept)} runs worked; the newest: {described(kept[-1])}"
    return Strip(STEP * len(kept), tuple(bars), label)


def _bar(x: int, text: str, alike: Sequence[Record]) -> Bar:
    first, last = alike[0], alike[-1]
    when = f"{last.started_at[:10]} {last.run}" if len(alike) == 1 else f"{first.started_at[:10]} … {last.run}"
    tall = last.status not in WORKS
    return Bar(x, STEP * len(alike) - 1, _KINDS.get(last.status, "stops"), tall, f"{when}: {text}")
