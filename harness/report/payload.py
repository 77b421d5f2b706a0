"""Every cell as compact JSON for the scripts of the page: by column, equal texts once, numbers with six digits."""

from __future__ import annotations

import base64
import gzip
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.report import drawings
from harness.report.latencies import quantiles
from harness.report.shown import printable
from harness.report.view import newest
from harness.tables.verdict import Judged, Thresholds, scheme

if TYPE_CHECKING:
    import pandas as pd

_GROUPS: tuple[tuple[str, str], ...] = (
    ("cell", r"cell|run|model|family|quant|export|runtime|threads|toolchain|task|input_shape"),
    ("verdict", r"verdict|verdict_text|status|stage|reason|message|seconds|started_at|fingerprint"),
    ("accuracy", r"top\d.*|images|eval_images|mcnemar_p|.*agreement|cosine|sqnr_db|.*max_abs_error|only_.*_right|"
                 r"float_top1|source_top1|.*max_steps|flat_outputs|skipped_images"),
    ("latency", r"latency_.*|speedup_.*|.*_ms|clean_fraction|noisy|unsteady|processes|samples|batch"),
    ("size", r".*size_bytes|gzip_bytes|weights_.*bytes|parameters|.*sparsity.*|densify_ops"),
    ("inside", r".*_mac_share|macs|.*_ops|op_count|partitions|delegate_applied|per_channel|opset|form|.*dtype|"
               r".*_convs|inserted_transposes|quantization_kept"),
)  # fmt: skip
"""Group of columns → pattern of their names; what fits none is ``work``."""
GROUPS = (*(name for name, _ in _GROUPS), "work")
_ELSEWHERE = frozenset({"notes", "artifact", "artifact_sha256", "verdict_metric", "reproduce"})


def payload(judged: Sequence[Judged], table: pd.DataFrame, limits: Thresholds) -> dict[str, Any]:
    """Return what ``page.js`` and ``plots.js`` read; rows in the order of ``judged``, as in ``table``.

    ``claims``: the rows whose scheme is to compute in integers, by ``limits``. ``older``: those of cells that a later
    run has too.
    ``columns``: name, group, and ``number`` (one a row, null for none) or ``text`` with ``code`` (-1 for none).
    ``why``: for each row the number of its set in ``whys``, which is column → number of its text in ``reasons``.
    """
    reasons = _Numbered()
    whys = _Numbered()
    why = [
        whys.number(tuple((name, reasons.number(printable(text))) for name, text in j.record.missing.items()))
        for j in judged
    ]
    claims = [number for number, j in enumerate(judged) if "int8_mac_share" in limits.bounds(scheme(j.record)).min]
    latest = {id(j) for j in newest(judged)}
    columns = [_column(str(name), table[name].tolist()) for name in table.columns if name not in _ELSEWHERE]
    return {
        "groups": GROUPS,
        "claims": claims,
        "older": [number for number, j in enumerate(judged) if id(j) not in latest],
        "columns": [one for one in columns if one],
        "why": why,
        "whys": [dict(pairs) for pairs in whys.found],
        "reasons": list(reasons.found),
    }


def details(judged: Sequence[Judged], folders: Mapping[str, Path], out_dir: Path) -> list[dict[str, Any]]:
    """Return what is shown of each cell when it is opened and is no column: command, end of the log, files, latencies.

    Logs are links from ``out_dir``, as far as they are there. ``folders``: run → its folder.
    """
    return [_cell(j, folders.get(j.record.run), out_dir) for j in judged]


class _Numbered:
    """Things by the order in which they were first seen."""

    def __init__(self) -> None:
        self.found: dict[Any, int] = {}

    def number(self, thing: Any) -> int:
        return self.found.setdefault(thing, len(self.found))


def group(column: str) -> str:
    """Return the group that a column belongs to, by its name."""
    return next((name for name, pattern in _GROUPS if re.fullmatch(pattern, column)), "work")


def script_text(content: Any) -> str:
    """Return JSON that ends no script element, whatever names are in it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def packed(text: str) -> str:
    """Return a text compressed, as ``unpacked`` of ``page.js`` reads it: base64 of gzip."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _column(name: str, values: Sequence[Any]) -> dict[str, Any] | None:
    """Return one column, None when no cell has a value in it."""
    plain = [_plain(value) for value in values]
    if all(value is None for value in plain):
        return None
    about: dict[str, Any] = {"name": name, "group": group(name)}
    if any(isinstance(value, str) for value in plain):
        texts = list(dict.fromkeys(value for value in plain if value is not None))
        codes = {text: number for number, text in enumerate(texts)}
        return about | {"text": texts, "code": [-1 if value is None else codes[value] for value in plain]}
    return about | {"number": plain}


def _plain(value: Any) -> str | float | int | None:
    """Return a value as JSON has it: booleans as words, floats short, what is no number as none."""
    import pandas as pd

    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _cell(j: Judged, folder: Path | None, out_dir: Path) -> dict[str, Any]:
    record = j.record
    found: dict[str, Any] = {"reproduce": printable(record.reproduce)}
    if record.failure and record.failure.log_tail:
        found["log_tail"] = printable(record.failure.log_tail)
    if record.artifact:
        found["artifact"] = printable(record.artifact)
    drawing = drawings.file_of(record)
    if drawing and (out_dir / drawing).is_file():
        found["drawing"] = quote(drawing)
    if folder is not None:
        logs = {kind: folder / name for kind, name in record.logs.items() if (folder / name).is_file()}
        found["logs"] = {kind: quote(os.path.relpath(path, out_dir)) for kind, path in logs.items()}
        found["latency"] = quantiles(record, folder)
    return {name: value for name, value in found.items() if value}
