"""Claims against measurements: does what the old table said of a model hold?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.claims import OldTable, Row
from harness.report.support import Support, Way, Ways, is_unpacked

Outcome = Literal["holds", "in part", "does not hold", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("holds", "in part", "does not hold", "not run")
STOCK = "qat_stock"


@dataclass(frozen=True, slots=True)
class Claim:
    """A kind of claim: what is said of every model that has one of its texts in the old table."""

    title: str
    said: Callable[[Row], bool | None]
    """True: it works; False: it does not; None: nothing is said."""
    ways: Callable[[Support, Row], Ways]
    """What was measured of it."""
    denied: str = ""
    """What the old table says of a model of which it says no."""


@dataclass(frozen=True, slots=True)
class Held:
    """One claim on one model."""

    claimed: bool
    outcome: Outcome
    why: Ways
    """The ways that speak against it; for *holds* and *not run* none."""


def _plain_qat(row: Support, _: Row) -> Ways:
    return tuple(way for way in row.qat if way.name.partition("@")[0] == STOCK)


def _own_qat(row: Support, _: Row) -> Ways:
    return tuple(way for way in row.qat if way.name.partition("@")[0] != STOCK)


def _at_opset(row: Support, said: Row) -> Ways:
    """Return what happened at the opset that was claimed; of N/A, that none is possible, at every one."""
    return tuple(way for way in row.opsets if way.name == said.opset) if said.opset.isdecimal() else row.opsets


def _fp32(row: Support, said: Row) -> Ways:
    return tuple(way for way in row.fp32_onnx if way.name == said.opset) or row.fp32_onnx


CLAIMS = (
    Claim("PTQ works", lambda said: _has(said.quantization, "PTQ"), lambda row, _: row.ptq),
    Claim("QAT works, with plain tfmot (`qat_stock`)", lambda said: _has(said.quantization, "QAT"), _plain_qat),
    Claim("QAT works, with our transforms (`qat`)", lambda said: _has(said.quantization, "QAT"), _own_qat),
    Claim("float model exports to ONNX", lambda said: _yes(said.fp32_onnx), _fp32, "float model exports to ONNX: N"),
    Claim("its ONNX opset is 13", lambda said: _yes(said.opset), _at_opset, "no ONNX opset (N/A)"),
)


def _has(text: str, word: str) -> bool | None:
    return word in text.replace(",", " ").split() or None


def _yes(text: str) -> bool | None:
    """Return what a field says: N and N/A no, an empty one nothing, any other yes."""
    return None if not text else text not in ("N", "N/A")


def held(claim: Claim, row: Support, said: Row) -> Held | None:
    """Return how a claim on a model stands; None where nothing was claimed."""
    claimed = claim.said(said)
    if claimed is None:
        return None
    ways = claim.ways(row, said)
    if not ways:
        return Held(claimed, "not run", ())
    good = [way for way in ways if way.mark != "no" or _is_undecided(way)]
    if not claimed:
        return Held(False, "does not hold", tuple(good)) if good else Held(False, "holds", ())
    against = tuple(way for way in ways if way.mark != "yes")
    return Held(True, _outcome(good, against), against)


def _is_undecided(way: Way) -> bool:
    """Say whether an artifact runs and says else than the float model on a task that has no labels to judge by."""
    record = way.cell.record
    return record.status in ("ok", "noisy") and "top1" not in record.values and not is_unpacked(record)


def _outcome(good: Sequence[Way], against: Sequence[Way]) -> Outcome:
    if not against:
        return "holds"
    return "in part" if good else "does not hold"


def said_of(table: OldTable) -> dict[str, Row]:
    """Return our name of a model → its row of the old table."""
    return {model: row for row in table.support for model in row.models}
