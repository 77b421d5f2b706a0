"""The full table, one row a cell: as CSV and Parquet for programs, and as text for the page."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from harness.report.shown import NO_REASON, NO_VALUE, Shown, value

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ELSEWHERE = ("message", "verdict_text", "verdict_metric", "notes", "reproduce", "artifact")
"""Columns that the page says better in other places."""
_FIRST = ("cell", "verdict")


def csv(table: pd.DataFrame) -> bytes:
    """Return CSV: ``n/a`` where there is no value, no text that a spreadsheet takes for a formula."""
    import pandas as pd

    safe = table.copy()
    for name in safe.columns:
        if isinstance(safe[name].dtype, pd.StringDtype):
            safe[name] = safe[name].map(_harmless, na_action="ignore")
    safe.columns = pd.Index([_harmless(str(name)) for name in safe.columns])
    return safe.to_csv(index=False, na_rep=NO_VALUE, lineterminator="\n").encode("utf-8", "replace")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def parquet(table: pd.DataFrame) -> bytes:
    """Return Parquet with the types of the columns."""
    plain = table.copy()
    plain.attrs = {}
    stream = io.BytesIO()
    plain.to_parquet(stream, index=False)
    return stream.getvalue()


def rows(table: pd.DataFrame) -> tuple[list[str], list[list[Shown]], list[str]]:
    """Return head, rows and the columns left out because no cell has a value there, for the page."""
    filled = [str(name) for name in table.columns if table[name].notna().any()]
    left_out = [str(name) for name in table.columns if name not in filled and name not in _ELSEWHERE]
    head = [*_FIRST, *(name for name in filled if name not in (*_FIRST, *_ELSEWHERE))]
    body = []
    for record in table.to_dict("records"):
        notes = json.loads(record["notes"]) if isinstance(record["notes"], str) else {}
        body.append([_field(str(name), record[name], record, notes) for name in head])
    return (head, body, left_out) if body else ([], [], left_out)


def _field(name: str, raw: Any, record: dict[Any, Any], notes: dict[str, str]) -> Shown:
    import pandas as pd

    if raw is not None and raw is not pd.NA and not pd.isna(raw):
        title = str(record["verdict_text"]) if name == "verdict" else ""
        return Shown(value(name, raw) or '""', title=title)
    stopped = record["verdict_text"] if record["status"] not in ("ok", "noisy") else NO_REASON
    if name == "reason":
        stopped = "nothing failed"
    return Shown(NO_VALUE, title=str(notes.get(name, stopped)))
