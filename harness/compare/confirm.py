"""Suspected slow-downs of a comparison measured again before they count.

What is confirmed stays a regression. What is refuted becomes a note. What cannot be measured again stays the
regression that it was, marked *unconfirmed*.
"""

from __future__ import annotations

from dataclasses import replace

from harness.compare import again
from harness.compare.comparison import Comparison
from harness.compare.turns import Both, Measure, Tell, Turns, settled, suspects


def confirmed(
    found: Comparison,
    plugins_dir: str | None = None,
    measure: Measure = again.measured,
    tell: Tell = lambda _: None,
) -> Comparison:
    """Return the comparison with every suspected slow-down measured again.

    ``plugins_dir``: where runtimes of the user's own are; ``tell`` is given a line before each turn.
    """
    slow = suspects(found.findings)
    newest = {pair.cell: pair.latest for pair in found.pairs if pair.cell in slow}
    cells = {cell: Both((found.base, two[0]), (found.cand, two[1])) for cell, two in newest.items() if two is not None}
    how = Turns(found.limits, plugins_dir, measure, tell)
    return replace(found, findings=settled(found.findings, cells, how)) if cells else found
