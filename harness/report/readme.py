"""The generated block of a README: the matrix and the summary of published runs, kept true by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_atomic
from harness.report import markdown
from harness.report.view import view
from harness.tables.verdict import Thresholds

BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"


def block(run_dirs: Iterable[str | Path], verdict: str | Mapping[str, Any] | Thresholds = "default") -> str:
    """Return what belongs between the markers. Raises ``UserError`` as ``tables.load`` does."""
    report = view(run_dirs, verdict)
    text = "\n\n".join([f"{markdown.escape(report.counted)}.", *markdown.tables(report)])
    return text.replace("\n## ", "\n### ").replace("<!--", "&lt;!--")


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
