"""A report as files: ``compatibility.md``, ``cells.csv``, ``cells.parquet`` and ``index.html``.

Where they apply, ``support-matrix.md``, ``old-table.md``, ``pruning.md``, ``opsets.md``, ``inside.md``,
``selective.md`` and ``versions.md`` as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_atomic
from harness.report import (
    cells,
    html,
    inside,
    markdown,
    old_table,
    opsets,
    pruning,
    selective,
    support_matrix,
    versions_page,
)
from harness.report.versions import versions
from harness.report.view import newest, view
from harness.tables.frame import frame
from harness.tables.verdict import Thresholds


def build(
    run_dirs: Iterable[str | Path],
    out_dir: str | Path,
    verdict: str | Mapping[str, Any] | Thresholds = "default",
) -> list[Path]:
    """Write the report on some runs into ``out_dir`` and return its files; equal records give equal bytes.

    Raises ``UserError`` when a path is no run, the verdict does not exist, or ``out_dir`` is not writable.
    """
    report = view(run_dirs, verdict)
    table = frame(report.judged, report.problems)
    contents = {
        "compatibility.md": markdown.page(report).encode("utf-8", "replace"),
        "cells.csv": cells.csv(table),
        "cells.parquet": cells.parquet(table),
        "index.html": html.page(report, table, Path(out_dir)).encode("utf-8", "replace"),
    }
    latest, compared = newest(report.judged), versions(report)
    extras = {
        "support-matrix.md": support_matrix.page(latest),
        "old-table.md": old_table.page(latest),
        "pruning.md": pruning.page(latest),
        "opsets.md": opsets.page(latest),
        "inside.md": inside.page(latest, report.thresholds),
        "selective.md": selective.page(latest),
        "versions.md": None if compared is None else versions_page.page(compared),
    }
    contents |= {name: text.encode("utf-8", "replace") for name, text in extras.items() if text is not None}
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_atomic(folder / name, content)
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written: {error.strerror}; try reports_dir=…") from error
    return [folder / name for name in contents]
