"""A report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.report.environment import Rows, RunInfo
from harness.report.presets import explained
from harness.report.shown import INTERVAL, LEGEND, SYMBOLS, Shown, bounds_text, one_line, rules_text, superscript
from harness.report.summary import Column
from harness.report.view import Failing, View

_SPECIAL = re.compile(r"([\\`*\[\]|])")


def page(view: View) -> str:
    """Return the whole report."""
    parts = [f"# Compatibility: {escape(view.title)}", escape(view.counted) + ".", *tables(view)]
    if lines := [*view.problems, *view.remarks]:
        parts += ["## To know before reading", _bullets(lines)]
    if view.failing:
        parts += ["## What fails", *(_failing(one) for one in view.failing)]
    parts += ["## Environment", *(_run(info) for info in view.runs)]
    parts += ["## Thresholds", *_thresholds(view)]
    return "\n\n".join(parts) + "\n"


def tables(view: View) -> list[str]:
    """Return the support matrix and the summary, with their notes, as blocks of Markdown."""
    parts = ["## Support matrix", *filter(None, (LEGEND, escape(explained(view.matrix.columns)))), _matrix(view)]
    parts += [numbered(view.matrix_notes, 1)] if view.matrix_notes else []
    parts += ["Not supported for any model:", _bullets(view.matrix.refused)] if view.matrix.refused else []
    parts += ["## Accuracy, latency and size", _summary(view)]
    parts += ["; ".join(f"*{escape(c.title)}*: {escape(c.help)}" for c in view.summary.columns) + ".", INTERVAL]
    after = len(view.matrix_notes) + 1
    parts += [numbered(view.summary_notes, after)] if view.summary_notes else []
    return parts


def escape(text: str) -> str:
    """Return ``text`` on one line with nothing in it that Markdown or HTML would take for its own."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[str]) -> str:
    lines = [head, align, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: Shown) -> str:
    return escape(" ".join(one for one in (value.text, value.spread) if one)) + superscript(value.note)


def _matrix(view: View) -> str:
    head = ["model", *(f"{escape(quant)}<br>{escape(export)}" for quant, export in view.matrix.columns)]
    rows = ([escape(row.label), *(_shown(e.shown) for e in row.entries)] for row in view.matrix.rows)
    return table(head, rows, ["---", *(":-:" for _ in view.matrix.columns)])


def _summary(view: View) -> str:
    def title(column: Column) -> str:
        return f"{column.title} {column.unit}".strip()

    columns = view.summary.columns
    head = ["model", "quant", "export", "verdict", *(escape(title(c)) for c in columns)]
    rows = (
        [escape(r.model), escape(r.quant), escape(r.export), _shown(r.entry.shown), *map(_shown, r.values)]
        for r in view.summary.rows
    )
    return table(head, rows, ["---", "---", "---", ":-:", *("--:" for _ in columns)])


def numbered(texts: Sequence[str], start: int = 1) -> str:
    """Return texts as a numbered list."""
    return "\n".join(f"{number}. {escape(text)}" for number, text in enumerate(texts, start))


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {escape(text)}" for text in texts)


def _failing(one: Failing) -> str:
    cells = ", ".join(escape(cell) for cell in one.cells)
    facts = f"{SYMBOLS['fails']} {escape(one.status)} at {escape(one.stage)}: **{escape(one.reason)}**"
    # four spaces make a code block that nothing inside can end
    return f"### {cells}\n\n{facts} ({escape(one.error)}): {escape(one.message)}\n\n    {one.reproduce}"


def _run(info: RunInfo) -> str:
    parts = [f"### Run {escape(info.run)}"]
    facts = (
        ("cells", str(info.cells)),
        ("first cell", info.first),
        ("last cell", info.last),
        ("fingerprint", ", ".join(info.fingerprints)),
        *info.facts,
    )
    parts.append(_pairs("fact", "value", facts))
    parts += [_pairs("noise", "value", info.noise)] if info.noise else []
    parts += [escape(info.problem)] if info.problem else []
    parts += [_pairs(name, "value", rows) for name, rows in info.tables]
    return "\n\n".join(parts)


def _pairs(left: str, right: str, rows: Rows | Iterable[tuple[str, str]]) -> str:
    return table([escape(left), right], ([escape(a), escape(b)] for a, b in rows), ["---", "---"])


def _thresholds(view: View) -> list[str]:
    limits = view.thresholds
    rows = ((name, bounds_text(bounds)) for name, bounds in limits.schemes.items())
    return [escape(rules_text(limits)), _pairs("scheme", "clean when", rows)]
