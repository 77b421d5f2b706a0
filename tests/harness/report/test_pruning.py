"""The table of pruning: original, pruned, pruned and quantized, with no empty cell."""

from __future__ import annotations

from dataclasses import replace

from harness.records import Record, Value
from harness.report import pruning
from harness.tables.verdict import judge_all
from tests.harness.report.conftest import plain


def pruned(**values: Value) -> Record:
    made = plain(quant="int8", gzip_bytes=1_000_000, target_sparsity=0.5, sparsity=0.499, densify_ops=0, **values)
    options = {**made.options, "quant": {"method": "prune", "then": "int8", "scheme": "prune_int8"}}
    return replace(made, cell=replace(made.cell, quant="prune_int8"), options=options)


def fields(page: str) -> list[list[str]]:
    return [
        [one.strip() for one in line.strip("|").split(" | ")] for line in page.splitlines() if line.startswith("| ")
    ]


def test_original_and_pruned_stand_side_by_side() -> None:
    original = plain(quant="none", gzip_bytes=8_000_000, sparsity=0.0, densify_ops=0)
    page = pruning.page(judge_all([original, pruned(speedup_vs_float=4.0, speedup_vs_float_ci_low=3.9)]))
    assert page is not None
    head, _, first, second = fields(page)
    assert first[head.index("variant")] == "original"
    row = dict(zip(head, second, strict=True))
    assert row["variant"] == "prune_int8"
    assert (row["latency ÷"], row["size ÷"], row["gzip ÷"]) == ("0.250", "0.270", "0.125")
    assert (row["zeros asked"], row["zeros in the file"]) == ("0.50", "0.499")


def test_what_has_no_value_has_a_note() -> None:
    page = pruning.page(
        judge_all([plain(quant="none"), pruned(top1=None, top1_drop=None, speedup_vs_float_ci_low=None)])
    )
    assert page is not None
    assert all(one for row in fields(page) for one in row)
    assert "1. " in page
    assert "no top1 here" in page


def test_a_claim_of_the_old_table_stands_beside_what_was_measured() -> None:
    """ResNet50 alone was claimed: 0.003 of the time and 0.316 of the size."""
    pair = [plain("resnet50", "none", gzip_bytes=90_000_000, size_bytes=100_000_000)]
    other = replace(pruned(size_bytes=31_600_000, speedup_vs_float=2.0), cell=replace(pair[0].cell, quant="prune_int8"))
    page = pruning.page(judge_all([*pair, other, plain(quant="none"), pruned()]))
    assert page is not None
    head, _, original, resnet, _, mobilenet = fields(page)
    places = [at for at, name in enumerate(head) if name.endswith("÷ claimed")]
    assert [resnet[at] for at in places] == ["0.003, no", "0.316, yes"]
    assert {row[at] for at in places for row in (original, mobilenet)} == {"·"}


def test_zeros_are_told_before_and_after_conversion() -> None:
    details = {"quantize": {"sparsity": {"a": 0.5, "b": 0.25}}, "sparsity": {"m/a": 0.5, "m/b": 0.25, "m/dw": 0.0}}
    page = pruning.page(judge_all([plain(quant="none"), replace(pruned(pruned_sparsity=0.375), details=details)]))
    assert page is not None
    head, _, original, row = fields(page)
    at = head.index("zeros asked")
    assert row[at : at + 5] == ["0.50", "0.375", "0.25–0.50", "0.499", "0.00–0.50"]
    assert original[at : at + 3] == ["·", "·", "·"]


def test_without_a_pruned_cell_there_is_no_page() -> None:
    assert pruning.page(judge_all([plain(quant="none"), plain()])) is None
