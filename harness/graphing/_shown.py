"""Names of foreign files as text that is safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` on one line, without what a terminal would obey."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
