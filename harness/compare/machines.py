"""Which cells of two sides were measured under the same conditions, and if not, in what these differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from harness.compare.pairing import Pair, Side, environments, run_file
from harness.report.shown import clip, one_line

SHOWN = 4
"""Differences that are named."""
_HARDWARE = ("machine", "cpu", "cpu_flags", "cores", "governor")
_DECISIVE = (*_HARDWARE, "python")
Across = Literal["nothing", "versions", "machines"]
"""How far two measurements may differ in where they were made, and be compared: ``versions`` of Python and packages on
the same machine, which is how an upgrade that makes nets slower is found; or anything."""


Apart = Literal["nothing", "versions", "machines"]
"""In what two measurements of a cell differ."""
_ALLOWED: Mapping[Across, tuple[Apart, ...]] = {
    "nothing": ("nothing",), "versions": ("nothing", "versions"), "machines": ("nothing", "versions", "machines"),
}  # fmt: skip


def apart(pairs: Sequence[Pair], base: Side, cand: Side) -> dict[str, Apart]:
    """Return cell → in what its two measurements differ, for the cells of both sides."""
    old, new = environments(base), environments(cand)
    found: dict[str, Apart] = {}
    for pair in pairs:
        if pair.latest is None:
            continue
        first, second = pair.latest
        here = old[first.run, first.cell.toolchain], new[second.run, second.cell.toolchain]
        same = first.fingerprint == second.fingerprint
        found[pair.cell] = "nothing" if same else "versions" if _same_hardware(*here) else "machines"
    return found


def _same_hardware(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two environments are known to be of one machine, or of two that are alike."""
    return bool(one.get("cpu")) and all(one.get(name) == other.get(name) for name in _HARDWARE)


def comparable(pairs: Sequence[Pair], far: Mapping[str, Apart], across: Across) -> list[Pair]:
    """Return the cells of both sides whose latencies can be held against each other."""
    return [pair for pair in pairs if far.get(pair.cell) in _ALLOWED[across]]


def remarks(far: Mapping[str, Apart], base: Side, cand: Side, across: Across) -> Iterator[str]:
    """Say which latencies are not comparable, and that they were compared all the same where that was asked for."""
    named = difference(*(run_file(one, one.runs[-1], "environment.json") for one in (base, cand)))
    named = f" ({named})" if named else ""
    for kind, where, flag in (
        ("versions", "with other versions on the same machine", "--across-versions"),
        ("machines", "on another machine or in another environment", "--across-machines"),
    ):
        count = sum(found == kind for found in far.values())
        what = f"latency of {count} of {len(far)} cells was measured {where}{named}"
        if count and kind in _ALLOWED[across]:
            yield f"{what}, and is compared all the same, as --across-{across} asks"
        elif count:
            yield f"{what}, and is not compared; {flag} compares it all the same"


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
