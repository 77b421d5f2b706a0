"""The generated block of a README: the matrix and the summary of published runs, kept true by a test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_atomic
from harness.report import markdown, overview, support_matrix
from harness.report.environment import processor, vectors
from harness.report.view import View, newest, unfinished, view
from harness.tables.verdict import Thresholds

MOST_ROWS = 60
"""Rows of the summary; with more, a README has a row a model instead."""
PACKAGES = ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert")
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"


def block(run_dirs: Iterable[str | Path], verdict: str | Mapping[str, Any] | Thresholds = "default") -> str:
    """Return what belongs between the markers. Raises ``UserError`` as ``tables.load`` does."""
    report = view(run_dirs, verdict)
    parts = _short(report) if len(report.summary.rows) > MOST_ROWS else markdown.tables(report)
    text = "\n\n".join([f"{markdown.escape(report.counted)}.", *_measured(report), *_missing(report), *parts])
    return text.replace("\n## ", "\n### ").replace("<!--", "&lt;!--")


def _short(report: View) -> list[str]:
    """Return a row a model: the support matrix, a line for each reason, and the figures asked for first."""
    latest = newest(report.judged)
    matrix = ["## Support matrix", *support_matrix.tables(latest, commands=False)]
    matrix += ["The command that shows each reason is in `reports/reference/support-matrix.md`."]
    return [
        *matrix,
        "## Latency, size and accuracy",
        *overview.tables(latest, {info.run: processor(info) for info in report.runs}),
    ]


def _measured(report: View) -> list[str]:
    """Return when, on what and with what it was measured, runs of one machine and one set of packages together."""
    found: dict[str, list[str]] = defaultdict(list)
    efforts: dict[str, set[str]] = defaultdict(set)
    runs: dict[str, list[str]] = defaultdict(list)
    for info in report.runs:
        facts, tables = dict(info.facts), {name: dict(rows) for name, rows in info.tables}
        packages = tables.get("packages", {})
        processes = dict(info.noise).get("processes a cell", "")
        machine = [facts.get("cpu", ""), f"{facts['cores']} cores" if "cores" in facts else "", vectors(info)]
        versions = [f"{name} {packages[name]}" for name in PACKAGES if name in packages]
        text = ", ".join(one for one in (*machine, *versions) if one)
        found[text] += [info.first[:10], info.last[:10]]
        runs[text].append(info.run)
        efforts[text] |= set(re.findall(r"\d+(?= \(|,|$)", processes))
    days = sorted((min(dates), max(dates), text) for text, dates in found.items() if text)
    told = {text: f"{', '.join(runs[text])}: measured" if len(days) > 1 else "Measured" for text in found}
    return [
        markdown.escape(f"{told[text]} {_days(first, last)} on {_with(text, efforts[text])}.")
        for first, last, text in days
    ]


def _missing(report: View) -> list[str]:
    """Return what the first line of a report says of cells that were not run yet."""
    return [markdown.escape(text[0].upper() + text[1:]) for text in unfinished(report.runs)]


def _days(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _with(text: str, processes: set[str]) -> str:
    """Return what a latency rests on behind the machine: processes, which are fewer for a quick measurement."""
    return f"{text}, processes for each latency: {' or '.join(sorted(processes))}" if processes else text


def update(
    readme: str | Path,
    run_dirs: Iterable[str | Path],
    verdict: str | Mapping[str, Any] | Thresholds = "default",
) -> bool:
    """Write the block into a README; return whether that changed it. Raises ``UserError`` without its markers."""
    path = Path(readme)
    old = _text(path)
    new = _replaced(path, old, block(run_dirs, verdict))
    if new != old:
        write_atomic(path, new.encode())
    return new != old


def check(
    readme: str | Path,
    run_dirs: Iterable[str | Path],
    verdict: str | Mapping[str, Any] | Thresholds = "default",
) -> bool:
    """Return whether the block of a README is what the runs say now."""
    path = Path(readme)
    old = _text(path)
    return _replaced(path, old, block(run_dirs, verdict)) == old


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _replaced(path: Path, text: str, new: str) -> str:
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{path}: needs one '{BEGIN}' and, after it, one '{END}'")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{rest.split(END)[1]}"
