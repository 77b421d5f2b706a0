"""How facts become text: units, formats, symbols. The one place that rounds numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.records import Record, Value
from harness.tables.verdict import Bounds, Thresholds

SYMBOLS = {"clean": "✓", "degraded": "~", "fails": "✗", "n/a": "–"}
NO_CELL = "·"
LEGEND = f"✓ clean, ~ degraded, ✗ fails, – not supported; {NO_CELL} not part of the run"
NO_VALUE = "n/a"
NO_REASON = "no reason recorded"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


INTERVAL = (
    "Intervals of latencies and their ratios are 95 % bootstrap intervals over processes; of three processes that is "
    "their range, in which the true median lies 3 times in 4."
)
"""How sure they are: the range of n values misses the median of what they are drawn from 2 · 2⁻ⁿ of the times."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as people see it."""

    text: str
    """Never empty."""
    note: int | None = None
    """Number of the note that explains it."""
    title: str = ""
    """More about it, for those who ask."""
    spread: str = ""
    """How sure it is, where there is room: ``±6 %``."""


def superscript(number: int | None) -> str:
    """Return ``¹²`` for 12, and nothing for no number."""
    return "" if number is None else str(number).translate(_SUPERSCRIPTS)


def printable(text: str) -> str:
    """Return ``text`` without control characters and text-direction marks; newlines and tabs stay."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return ``text`` printable and on one line."""
    return " ".join(printable(text).split())


def clip(text: str, size: int = 240) -> str:
    """Return ``text``, cut with an ellipsis when it is longer than ``size`` characters."""
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def squeezed(text: str, size: int = 240) -> str:
    """Return ``text``, cut in the middle when it is longer than ``size`` characters: causes stand at the end."""
    if len(text) <= size:
        return text
    left = size // 2
    return f"{text[:left].rstrip()} … {text[left + 3 - size :].lstrip()}"


def some(names: Sequence[str], most: int = 6) -> str:
    """Return names in a row, and of many only how many more there are."""
    left = len(names) - most
    return ", ".join(names) if left < 2 else ", ".join(names[:most]) + f" and {left} more"


def percent(fraction: float) -> str:
    """Return 0.9731 as ``97.3``."""
    return f"{100 * fraction:.1f}"


def milliseconds(value: float) -> str:
    """Return a time with three digits that mean something."""
    return _three(value)


def megabytes(size: float) -> str:
    """Return bytes as MB (10⁶ bytes)."""
    return _three(size / 1e6)


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 99.95 else f"{number:#.3g}"


def times(ratio: float) -> str:
    """Return a ratio as ``3.21×``."""
    return f"{ratio:.2f}×"


_FORMATS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("_bytes", lambda value: f"{value:,.0f}"),
    ("_ms", milliseconds),
    ("_s", lambda value: f"{value:.2f}"),
)


def number(record: Record, column: str) -> float | None:
    """Return a value of a record that is a number, else None."""
    raw = record.values.get(column)
    return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw) else None


def half_width(record: Record) -> float | None:
    """Return how far the interval of a median latency reaches from it, as a share of it; None without one."""
    middle, low, high = (number(record, f"latency_{name}_ms") for name in ("p50", "ci_low", "ci_high"))
    if not middle or low is None or high is None or not low <= middle <= high:
        return None
    return max(middle - low, high - middle) / middle


def spread(record: Record) -> str:
    """Return ``±6 %`` for a latency with an interval over processes, else nothing."""
    width = half_width(record)
    return "" if width is None else f"±{100 * width:.{0 if width >= 0.0095 else 1}f} %"


def value(column: str, raw: Value) -> str:
    """Return any value of a record as text, by the unit that its column's name ends with."""
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if isinstance(raw, str):
        return one_line(raw)
    if raw is None or math.isnan(raw):
        return NO_VALUE
    for ending, form in _FORMATS:
        if column.endswith(ending):
            return form(raw)
    return f"{raw:,}" if isinstance(raw, int) else f"{raw:.4g}"


def rules_text(limits: Thresholds) -> str:
    """Return what holds for the bounds of every scheme."""
    rules = [f"A top-1 drop counts when McNemar's exact p is below {limits.significance:g}."]
    rules += [f"Must have been measured: {', '.join(limits.required)}."] if limits.required else []
    rules += [f"Judged only where there are labels: {', '.join(limits.labelled)}."] if limits.labelled else []
    rules += [f"With layers in float on purpose an int8 share of {limits.selective_int8_mac_share:g} is enough."]
    return " ".join(rules)


def bounds_text(bounds: Bounds) -> str:
    """Return the bounds of a scheme on one line."""
    low = (f"{name} ≥ {bound:g}" for name, bound in bounds.min.items())
    high = (f"{name} ≤ {bound:g}" for name, bound in bounds.max.items())
    blind = (f"without labels {name} ≥ {bound:g}" for name, bound in bounds.min_unlabelled.items())
    return ", ".join([*low, *high, *blind]) or "measured"
