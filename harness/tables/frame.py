"""One row a cell: records as a typed ``pandas.DataFrame``; columns: see ``results/README.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.records import Value
from harness.tables.read import read
from harness.tables.verdict import Judged, Thresholds, judge_all

if TYPE_CHECKING:
    import pandas as pd

_FACTS: dict[str, tuple[str, Callable[[Judged], Any]]] = {
    "run": ("string", lambda j: j.record.run),
    "model": ("string", lambda j: j.record.cell.model),
    "family": ("string", lambda j: j.record.cell.family),
    "quant": ("string", lambda j: j.record.cell.quant),
    "export": ("string", lambda j: j.record.cell.export),
    "runtime": ("string", lambda j: j.record.cell.runtime),
    "threads": ("Int64", lambda j: j.record.cell.threads),
    "toolchain": ("string", lambda j: j.record.cell.toolchain),
    "task": ("string", lambda j: j.record.cell.task),
    "status": ("string", lambda j: j.record.status),
    "stage": ("string", lambda j: j.record.failure.stage if j.record.failure else j.record.stage),
    "reason": ("string", lambda j: j.record.failure.reason if j.record.failure else None),
    "message": ("string", lambda j: j.record.failure.message if j.record.failure else None),
    "verdict": ("string", lambda j: j.verdict.verdict),
    "artifact": ("string", lambda j: j.record.artifact),
    "artifact_sha256": ("string", lambda j: j.record.artifact_sha256),
    "fingerprint": ("string", lambda j: j.record.fingerprint),
    "started_at": ("string", lambda j: j.record.started_at),
    "cell": ("string", lambda j: j.record.cell.id),
    "verdict_metric": ("string", lambda j: j.verdict.metric),
    "verdict_text": ("string", lambda j: j.verdict.text),
    "notes": ("string", lambda j: _notes(j.record.missing)),
    "reproduce": ("string", lambda j: j.record.reproduce),
    "seconds": ("Float64", lambda j: j.record.seconds),
}
"""Column → its type and where in a record it stands."""

_PROMISED = """
run model family quant export runtime threads toolchain task input_shape status stage reason message verdict
top1 top5 images top1_drop mcnemar_p agreement cosine sqnr_db max_abs_error
latency_min_ms latency_p50_ms latency_p90_ms latency_ci_low_ms latency_ci_high_ms clean_fraction
load_ms first_ms size_bytes gzip_bytes int8_mac_share float_ops undelegated_ops partitions sparsity opset
convert_s peak_rss_convert_bytes peak_rss_run_bytes artifact artifact_sha256 fingerprint started_at
"""
COLUMNS = tuple(_PROMISED.split())
"""The promised columns, in their order; more may follow."""

_COUNTS = frozenset({"images", "float_ops", "undelegated_ops", "partitions", "opset"})
_EXTRAS = tuple(name for name in _FACTS if name not in COLUMNS)


def load(*paths: str | Path, verdict: str | Mapping[str, Any] | Thresholds = "default") -> pd.DataFrame:
    """Return one row a cell from run folders, ``records.jsonl`` files, or globs of either.

    Columns: ``COLUMNS``, then what the harness adds (``cell``, ``verdict_metric``, ``verdict_text``,
    ``notes``, ``reproduce``, ``seconds``), then every other value found in the records, by name.
    Types are the nullable ones of pandas; what does not apply is ``NA``, and ``notes`` says why (a JSON
    object, column → reason). ``attrs["problems"]`` lists what could not be read or is of a wrong type.

    Raises ``UserError`` when a path is no run, or the verdict does not exist.
    """
    reading = read(*paths)
    return frame(judge_all(reading.records, verdict), reading.problems)


def frame(judged: Sequence[Judged], problems: Iterable[str] = ()) -> pd.DataFrame:
    """Return judged records as ``load`` does."""
    import pandas as pd

    found = {name for j in judged for name in j.record.values}
    columns = [*COLUMNS, *_EXTRAS, *sorted(found - set(COLUMNS) - set(_EXTRAS))]
    notes = list(problems)
    made = {name: _column(name, judged, notes) for name in columns}
    table = pd.DataFrame(made, columns=pd.Index(columns))
    table.attrs["problems"] = notes
    return table


def _column(name: str, judged: Sequence[Judged], problems: list[str]) -> pd.Series[Any]:
    import pandas as pd

    if name in _FACTS:
        kind, get = _FACTS[name]
        return pd.Series([get(j) for j in judged], dtype=kind)
    raw = [j.record.values.get(name) for j in judged]
    kind = _kind(name, raw)
    fitted = []
    for j, value in zip(judged, raw, strict=True):
        fits = _fit(value, kind)
        if fits is None and not _absent(value):
            problems.append(f"{j.record.run} {j.record.cell.id}: {name} = {value!r} is not {kind}; shown as NA")
        fitted.append(fits)
    return pd.Series(fitted, dtype=kind)


def _kind(name: str, values: Iterable[Value]) -> str:
    """Return the type of a column of values: promised, or found for a column that a plug-in added."""
    if name in COLUMNS:
        if name == "input_shape":
            return "string"
        return "Int64" if name in _COUNTS or name.endswith("_bytes") else "Float64"
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64"
    return "Float64" if kinds and kinds <= {int, float} else "string"


def _absent(value: Value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _fit(value: Value, kind: str) -> Value:
    """Return ``value`` as its column has it, or None when it is absent or does not fit."""
    if value is None or _absent(value):
        return None
    if kind == "string":
        return str(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "Float64":
        return float(value) if isinstance(value, float) or abs(value) < 2**63 else None
    return int(value) if abs(value) < 2**63 and value == int(value) else None


def _notes(missing: Mapping[str, str]) -> str | None:
    return json.dumps(missing, sort_keys=True, ensure_ascii=False) if missing else None
