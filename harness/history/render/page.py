"""A history as one HTML page: self-contained, no script at all, nothing fetched, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from harness import report
from harness.compare.artifacts import number
from harness.compare.findings import Finding
from harness.compare.pairing import run_file
from harness.compare.render.words import MARKS, TITLES
from harness.environment import MEASURING
from harness.history.chronicle import Chronicle
from harness.history.latency import Seen
from harness.history.render import picture, strip
from harness.history.render.words import headline, sections, span
from harness.history.tracks import Track
from harness.report import shown

_TEMPLATES = Path(__file__).parents[1] / "templates"
_CLASSES = {"regression": "fails", "known": "degraded", "improvement": "clean", "note": "note"}


@dataclass(frozen=True, slots=True)
class Line:
    """A small picture and what it ends with."""

    picture: picture.Picture
    text: str
    label: str
    """What a reader who does not see the picture is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the table."""

    track: Track
    statuses: strip.Strip
    latencies: tuple[Line, ...]
    size: Line | None
    top1: Line | None
    grade: str
    """The worst that is said of it; empty for nothing."""


def page(history: Chronicle, now: datetime) -> str:
    """Return the whole page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = "\n" + _style()
    jinja = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [_row(history, track) for track in history.tracks]
    families = groupby(rows, key=lambda row: row.track.records[-1].cell.family)
    return jinja.get_template("history.html.j2").render(
        history=history,
        style=Markup(style),  # our own files; the page's policy allows no others
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        span=span(history),
        headline=headline(history),
        old=history.freshness(now),
        sections=[(TITLES[name], [_told(history, one) for one in found]) for name, found in sections(history)],
        families=[(family, list(group)) for family, group in families],
        machines=list(_machines(history)),
        rules=_rules(history),
        marks=MARKS,
        classes=_CLASSES,
        ms=shown.milliseconds,
    )


def _style() -> str:
    """Return the style of the report, and what a history has more."""
    house = Path(report.__file__).parent / "templates" / "style.css"
    return house.read_text("utf-8") + (_TEMPLATES / "history.css").read_text("utf-8")


def _told(history: Chronicle, one: Finding) -> tuple[Finding, Seen | None, picture.Picture | None]:
    """Return a finding, and the large picture of its series if it is about latency."""
    if one.section != "latency":
        return one, None, None
    seen = next(each for each in history.seen if each.series.live and each.series.label == one.cell)
    return one, seen, picture.latencies(seen, 720, 130)


def _row(history: Chronicle, track: Track) -> Row:
    names = {track.label, *(one.label for one in track.series)}
    said = [one.grade for one in history.findings if one.cell in names]
    return Row(
        track,
        strip.strip(track.records),
        tuple(_latency(one) for one in history.seen if one.series.label in names),
        _column(track, "size_bytes", lambda size: f"{shown.megabytes(size)} MB"),
        _column(track, "top1", lambda share: f"{shown.percent(share)} %"),
        next((grade for grade in _CLASSES if grade in said), ""),
    )


def _latency(one: Seen) -> Line:
    values = one.series.values
    text = f"{shown.milliseconds(values[-1])} ms"
    return Line(picture.latencies(one), text, _words(len(values), shown.milliseconds(values[0]), text))


def _column(track: Track, column: str, form: Any) -> Line | None:
    values = [value for record in track.records if (value := number(record, column)) is not None]
    if not values:
        return None
    text = form(values[-1])
    return Line(picture.plain(values), text, _words(len(values), form(values[0]), text))


def _words(count: int, first: str, last: str) -> str:
    return f"{count} runs, from {first} to {last}" if count > 1 else last


def _machines(history: Chronicle) -> Iterator[tuple[str, int, str, str, str]]:
    """Return (fingerprint, runs, first, last, what it is), the newest first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for track in history.tracks:
        for record in track.records:
            found.setdefault(record.fingerprint, []).append((record.started_at, record.run))
    for name, of in sorted(found.items(), key=lambda item: max(item[1]), reverse=True):
        facts = run_file(history.runs, max(of)[1], "environment.json")
        yield name, len({run for _, run in of}), min(of)[0][:10], max(of)[0][:10], _what(facts)


def _what(facts: dict[str, Any]) -> str:
    """Return processor and the packages that ran while measuring, as far as they are known."""
    packages = facts.get("packages")
    known = packages if isinstance(packages, dict) else {}
    parts = [facts.get("cpu"), facts.get("machine"), *(f"{name} {known[name]}" for name in MEASURING if name in known)]
    return shown.clip(shown.one_line(", ".join(str(part) for part in parts if part))) or "not recorded"


def _rules(history: Chronicle) -> Sequence[tuple[str, str]]:
    plain = asdict(history.thresholds.history)
    return [(name, f"{value:g}") for name, value in plain.items()]
