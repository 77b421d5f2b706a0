"""A report as one HTML page: self-contained, no script, nothing fetched, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.cells import rows
from harness.report.shown import LEGEND, SYMBOLS, bounds_text
from harness.report.view import View

if TYPE_CHECKING:
    import pandas as pd

_TEMPLATES = Path(__file__).parent / "templates"


def page(view: View, table: pd.DataFrame) -> str:
    """Return the whole page for a report and its table of cells (``tables.frame``)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = "\n" + (_TEMPLATES / "style.css").read_text("utf-8")
    head, body, left_out = rows(table)
    jinja = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return jinja.get_template("index.html.j2").render(
        view=view,
        style=Markup(style),  # our own file; the page's policy allows no other
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        legend=LEGEND,
        symbols=SYMBOLS,
        head=head,
        body=body,
        left_out=left_out,
        bounds_text=bounds_text,
    )
