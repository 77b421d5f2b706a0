"""Whether two sides were measured under the same conditions, and if not, in what these differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.compare.latency import same_machine
from harness.compare.pairing import Pair, Side, run_file
from harness.report.shown import clip, one_line

SHOWN = 4
"""Differences that are named."""
_DECISIVE = ("machine", "cpu", "cpu_flags", "cores", "governor", "python")


def remarks(pairs: Sequence[Pair], base: Side, cand: Side, *, across: bool) -> Iterator[str]:
    """Say which latencies are not comparable, and that they were compared all the same where that was asked for."""
    both = [pair for pair in pairs if pair.latest is not None]
    other = [pair for pair in both if not same_machine(pair)]
    if not other:
        return
    named = difference(*(run_file(one, one.runs[-1], "environment.json") for one in (base, cand)))
    what = f"latency of {len(other)} of {len(both)} cells was measured on another machine or in another environment"
    what += f" ({named})" if named else ""
    if across:
        yield f"{what}, and is compared all the same, as --across-machines asks"
    else:
        yield f"{what}, and is not compared; --across-machines compares it all the same"


def difference(base: Mapping[str, Any], cand: Mapping[str, Any]) -> str:
    """Return in what two environments differ, in a few words."""
    found = [_told(name, base.get(name), cand.get(name)) for name in _DECISIVE if base.get(name) != cand.get(name)]
    old, new = (_packages(one) for one in (base, cand))
    found += [
        _told(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)
    ]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _packages(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found = one.get("packages")
    return found if isinstance(found, dict) else {}


def _told(name: str, base: object, cand: object) -> str:
    if isinstance(base, list) and isinstance(cand, list):
        gone, come = (sorted({str(x) for x in a} - {str(x) for x in b}) for a, b in ((base, cand), (cand, base)))
        return clip(one_line(f"{name} {' '.join(f'-{x}' for x in gone)} {' '.join(f'+{x}' for x in come)}"), 80)
    return clip(one_line(f"{name} {base} → {cand}"), 80)
