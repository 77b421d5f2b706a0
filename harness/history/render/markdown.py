"""A history as Markdown, for the summary of a CI job."""

from __future__ import annotations

from datetime import datetime

from harness.compare.render.markdown import told
from harness.history.chronicle import Chronicle
from harness.history.render.words import headline, sections, span


def page(history: Chronicle, now: datetime) -> str:
    """Return the page."""
    old = history.freshness(now)
    remarks = [f"old: {old}", *history.remarks] if old else history.remarks
    return told(headline(history), span(history), sections(history), remarks, worse=bool(history.code))
