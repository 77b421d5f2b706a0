"""What pruning bought: original, pruned, pruned and quantized side by side, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.report.markdown import escape, table
from harness.tables.verdict import Judged

HEAD = (
    "model", "variant", "runtime", "latency ms", "÷ original", "size MB", "÷ original", "gzip MB", "÷ original",
    "top-1 %", "drop, points", "p", "zeros asked", "zeros in the file", "DENSIFY ops", "reproduce",
)  # fmt: skip
EXPLAINED = """\
Latency is the median of clean runs; its ratio to the original is paired (measured in the same rounds), below 1 is
faster. *zeros*: share of exact zeros in the kernels of convolutions and dense layers, asked for in those that are
pruned, found in all of the file. *p*: McNemar's exact test on the same images. An empty cell has its reason in
`compatibility.md`."""


def page(judged: Sequence[Judged]) -> str | None:
    """Return the page on all models with a pruned variant, None when there is none."""
    models = {j.record.cell.model for j in judged if _is_pruned(j)}
    rows = [j for j in judged if j.record.cell.model in models and _shown(j)]
    if not rows:
        return None
    align = ["---", "---", "---", *("--:" for _ in HEAD[3:-1]), "---"]
    return "\n\n".join(["# Pruning", EXPLAINED, table(list(HEAD), [_row(j, rows) for j in rows], align), ""])


def _is_pruned(j: Judged) -> bool:
    return str(j.record.options["quant"]["method"]) == "prune"


def _shown(j: Judged) -> bool:
    cell = j.record.cell
    return cell.export == "tflite" and (_is_pruned(j) or cell.quant in ("none", "int8", "qat"))


def _row(j: Judged, rows: Iterable[Judged]) -> list[str]:
    cell, values = j.record.cell, j.record.values
    original = next(
        (o for o in rows if (o.record.cell.model, o.record.cell.runtime, o.record.cell.threads, o.record.cell.quant)
         == (cell.model, cell.runtime, cell.threads, "none")),
        None,
    )  # fmt: skip
    base = original.record.values if original else {}
    speedup = values.get("speedup_vs_float")

    def ratio(name: str) -> float | None:
        own, other = values.get(name), base.get(name)
        return float(own) / float(other) if own and other else None

    variant = "original" if cell.quant == "none" else cell.quant
    if j.verdict.verdict == "fails" and j.record.failure:
        message = f"{j.record.failure.stage}: {j.record.failure.message}"
        return [escape(cell.model), escape(variant), escape(cell.runtime), escape(message), *[""] * 11,
                f"`{escape(j.record.reproduce)}`"]  # fmt: skip
    own = [
        _number(values.get("latency_p50_ms"), 3),
        "1" if cell.quant == "none" else _number(1 / float(speedup) if speedup else None, 3),
        *(_number(v, 3) for v in (_megabytes(values.get("size_bytes")), ratio("size_bytes"))),
        *(_number(v, 3) for v in (_megabytes(values.get("gzip_bytes")), ratio("gzip_bytes"))),
        _number(_times(values.get("top1"), 100), 1),
        _number(_times(values.get("top1_drop"), 100), 1),
        _number(values.get("mcnemar_p"), 2),
        _number(values.get("target_sparsity"), 2),
        _number(values.get("sparsity"), 3),
        _number(values.get("densify_ops"), 0),
    ]
    return [escape(cell.model), escape(variant), escape(cell.runtime), *own, f"`{escape(j.record.reproduce)}`"]


def _times(value: object, factor: float) -> float | None:
    return float(value) * factor if isinstance(value, int | float) else None


def _megabytes(value: object) -> float | None:
    return _times(value, 1e-6)


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""
