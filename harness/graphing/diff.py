"""``harness graph diff A B``: what became of each operator of one model file in another."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import parser
from harness.graphing._shown import printable

if TYPE_CHECKING:
    from harness.graph.diff.compare import Change, Difference

ABOUT = "what a conversion kept, fused, folded, removed and added, node by node: diff BEFORE AFTER"


def command(args: list[str]) -> int:
    """Print the structural difference of two files; exit code 1 with ``--strict`` when something is unexplained.

    Raises ``UserError`` when one cannot be read.
    """
    from harness.graph.diff.compare import compare
    from harness.graph.read import open_file

    words = parser("graph", ABOUT)
    words.prog = "harness graph diff"
    words.add_argument("before", type=Path, help="a model of any format that is read here, such as the .keras source")
    words.add_argument("after", type=Path, help="the same model in another format, or another version of it")
    words.add_argument("--json", action="store_true", help="everything as JSON, with the names of all nodes")
    words.add_argument("--places", type=int, default=3, help="names of nodes to print with each change (default: 3)")
    words.add_argument("--strict", action="store_true", help="exit code 1 when something is unexplained")
    given = words.parse_args(args)
    found = compare(open_file(given.before), open_file(given.after))
    if given.json:
        json.dump(asdict(found), sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines(found, max(0, given.places))))
    return 1 if given.strict and found.unexplained else 0


def lines(found: Difference, places: int) -> list[str]:
    """Return a difference as text: a line for each change with the first names, then the counts."""
    rows = [f"{found.formats[0]} → {found.formats[1]}: {found.nodes[0]} → {found.nodes[1]} nodes in legal names"]
    rows += [line for change in found.changes for line in _lines(change, places)]
    shown = [f"{kind} {count}" for kind, count in found.counts.items() if count or kind == "unexplained"]
    return [*rows, "  ".join(shown)]


def _lines(change: Change, places: int) -> list[str]:
    count = len(change.before or change.after)
    if change.before and change.after and len(change.before) != len(change.after):
        count_text = f"{len(change.before)}→{len(change.after)}"
    else:
        count_text = str(count)
    why = f"  ({change.why})" if change.why else ""
    rows = [f"  {change.kind:<12}{count_text:>7} × {printable(change.what)}{why}"]
    if change.kind == "kept":
        return rows
    for mark, names in (("-", change.before), ("+", change.after)):
        rows += [f"{'':>24}{mark} {printable(name)}" for name in names[:places]]
        rows += [f"{'':>24}{mark} … {len(names) - places} more"] if places and len(names) > places else []
    return rows
