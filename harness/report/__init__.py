"""Records to people: Markdown, CSV, Parquet, one HTML page, the terminal, the README's block."""

from harness.report.pages import build

__all__ = ["build"]
