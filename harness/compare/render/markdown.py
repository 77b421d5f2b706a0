"""A comparison as Markdown, for the summary of a CI job or a comment."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from harness.compare.comparison import Comparison
from harness.compare.findings import Finding, Section
from harness.compare.render.words import MANY, MARKS, TITLES, headline, sections, sides
from harness.report.shown import one_line

_SPECIAL = re.compile(r"([\\`*_\[\]|~#@!])")


def page(comparison: Comparison) -> str:
    """Return the page."""
    return told(
        headline(comparison), sides(comparison), sections(comparison), comparison.remarks, worse=bool(comparison.code)
    )


def told(
    head: str,
    below: str,
    sections: Iterable[tuple[Section, Sequence[Finding]]],
    remarks: Iterable[str],
    *,
    worse: bool,
) -> str:
    """Return a page of findings under a head line, and what to know about them."""
    lines = [f"## {'✗' if worse else '✓'} {escaped(head)}", "", escaped(below), ""]
    for section, found in sections:
        lines += [f"### {TITLES[section]}", "", *_table(found), ""]
    lines += [f"- {escaped(text)}" for text in remarks]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    """Return text of one line that Markdown and HTML take for nothing but text."""
    return _SPECIAL.sub(r"\\\1", html.escape(one_line(text), quote=False))


def _table(found: Sequence[Finding]) -> list[str]:
    head = ["| grade | cell | what |", "|---|---|---|"]
    many = sum(one.grade == "known" for one in found) > MANY
    grades = ("regression",) if many else ("regression", "known")
    loud = [one for one in found if one.grade in grades]
    quiet = [one for one in found if one.grade not in grades]
    if len(quiet) <= MANY:
        return [*head, *map(_row, found)]
    folded = ["<details>", f"<summary>{len(quiet)} more</summary>", "", *head, *map(_row, quiet), "", "</details>"]
    return [*head, *map(_row, loud), "", *folded] if loud else folded


def _row(one: Finding) -> str:
    return f"| {MARKS[one.grade]} {one.grade} | {escaped(one.cell)} | {escaped(one.text)} |"
