"""What the names at the head of a matrix mean: the comment that a preset's file begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.paths import conf_dir
from harness.tables.order import QUANTS, place


def about(group: str, name: str) -> str:
    """Return the comment in the second line of a preset's file; empty without one, or for a preset of one's own."""
    if not re.fullmatch(r"\w+", name):  # a record may call itself anything
        return ""
    try:
        lines = (conf_dir() / group / f"{name}.yaml").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return lines[1].removeprefix("# ") if len(lines) > 1 and lines[1].startswith("# ") else ""


def explained(columns: Iterable[tuple[str, str]]) -> str:
    """Return one line on the (quantization, exporter) of some columns; what says nothing of itself is left out."""
    pairs = [(quant.partition("@")[0], export.partition("@")[0]) for quant, export in columns]
    quants = sorted({quant for quant, _ in pairs}, key=lambda name: (place(name, QUANTS), name))
    names = [("quant", name) for name in quants] + [
        ("export", name) for name in sorted({export for _, export in pairs})
    ]
    told = [f"{name}: {text}" for group, name in names if (text := about(group, name))]
    return "; ".join(told) + "." if told else ""
