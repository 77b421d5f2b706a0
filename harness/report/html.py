"""A report as one HTML page: self-contained, nothing fetched, everything escaped, its own scripts and no others.

Matrix, summary and failures are plain HTML and need no script. Filters, details and plots are ``templates/*.js`` on
the data of ``payload``; Plotly lies in the page compressed (4.8 MB become 1.9), unpacked when plots come into view.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.hover import hover
from harness.report.matrix import Entry
from harness.report.payload import details, packed, payload, script_text
from harness.report.presets import explained
from harness.report.shown import INTERVAL, LEGEND, NO_CELL, NO_VALUE, SYMBOLS, bounds_text, rules_text
from harness.report.view import View
from harness.tables.verdict import Judged

if TYPE_CHECKING:
    import pandas as pd

_TEMPLATES = Path(__file__).parent / "templates"
MOST_COLUMNS = 12
"""Columns of the matrix; with more their heads stand upright and the fields are narrow."""
MOST_OPEN = 8
"""Failures whose message is shown without being asked for."""
_SCRIPTS = ("page.js", "details.js", "plots.js")


def page(view: View, table: pd.DataFrame, out_dir: Path) -> str:
    """Return the whole page for a report and its table of cells (``tables.frame``), to be written into ``out_dir``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    plotly = get_plotlyjs()
    style = "\n" + (_TEMPLATES / "style.css").read_text("utf-8")
    script = "\n" + "\n".join((_TEMPLATES / name).read_text("utf-8") for name in _SCRIPTS)
    places = {_place(j): str(number) for number, j in enumerate(view.judged)}
    jinja = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["by_export"] = _by_export
    return jinja.get_template("index.html.j2").render(
        view=view,
        style=Markup(style),  # our own files; the page's policy allows no others
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        empty_hash=_hash(""),  # Plotly adds an empty style element, and its rules one by one
        data=Markup(script_text(payload(view.judged, table, view.thresholds))),
        details=Markup(packed(script_text(details(view.judged, view.folders, out_dir)))),
        plotly=Markup(packed(plotly)),
        map_styles=_map_styles(plotly),
        hover=lambda entry: hover(entry, view.names),
        numbers=lambda entry: _numbers(entry, places),
        most_columns=MOST_COLUMNS,
        most_open=MOST_OPEN,
        legend=LEGEND,
        interval=INTERVAL,
        presets=explained(view.matrix.columns),
        symbols=SYMBOLS,
        bounds_text=bounds_text,
        rules_text=rules_text,
        absent=(NO_VALUE, NO_CELL),
    )


def _by_export(columns: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return (exporter, quantizations) of columns, neighbours of one exporter together."""
    runs = itertools.groupby(columns, key=lambda column: column[1])
    return [(export, [quant for quant, _ in run]) for export, run in runs]


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls a text by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _place(j: Judged) -> tuple[str, str, str]:
    return j.record.run, j.record.cell.task, j.record.cell.id


def _numbers(entry: Entry, places: dict[tuple[str, str, str], str]) -> str:
    """Return the rows of the cells behind a field, as ``3 4``."""
    cells: Sequence[Judged] = entry.judged
    return " ".join(places[_place(j)] for j in cells)


def _map_styles(plotly: str) -> str:
    """Return the id under which Plotly looks whether the styles of its maps are in the page; it adds them otherwise."""
    found = re.search(r'getElementById\("([0-9a-f]{64})"\)', plotly)
    return found[1] if found else ""
