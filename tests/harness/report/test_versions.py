"""What changed between versions: only what differs, each with its reason, and nothing when there is one toolchain."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.records import Record
from harness.report import build, changes, terminal, versions_page
from harness.report.changes import op_counts
from harness.report.versions import Versions, versions
from harness.report.view import view
from tests.harness.report.conftest import Runs, plain, stopped

PACKAGES = {"tensorflow": "2.15.1", "onnxruntime": "1.17.1", "absl-py": "2.5.0"}
OPS = {"CONV_2D": {"int8": 20}, "ADD": {"int8": 3, "float32": 1}}


def under(record: Record, toolchain: str, **values: Any) -> Record:
    """Return the record of the same cell under another toolchain, in which some values are others."""
    return replace(record, cell=replace(record.cell, toolchain=toolchain), values=record.values | values)


def compared(runs: Runs, *records: Record) -> Versions:
    folder = runs.write(records)
    (folder / "environment-tf215.json").write_text(json.dumps({"packages": PACKAGES}))
    found = versions(view([folder]))
    assert found is not None
    return found


def shown(found: Versions) -> list[tuple[str, ...]]:
    return [(c.runtime, c.what, *(value.text for value in c.values)) for c in found.numbers]


def test_the_same_under_both_is_counted_and_not_shown(runs: Runs) -> None:
    found = compared(runs, plain(), under(plain(), "tf215"))
    assert (found.cells, found.same, found.states, found.numbers) == (1, 1, (), ())
    assert versions_page.page(found).count("##") == 0
    assert "Cells under default, tf215: 1; the same in everything: 1; not: 0." in versions_page.page(found)


def test_what_differs_in_the_file_is_said_once_for_all_runtimes(runs: Runs) -> None:
    older = {"size_bytes": 3_000_000, "float_ops": 2, "int8_mac_share": 0.5}
    pairs = [(one, under(one, "tf215", **older)) for one in (plain(runtime="cpu"), plain(runtime="xnnpack"))]
    found = compared(runs, *(record for pair in pairs for record in pair))
    assert shown(found) == [
        ("all", "size, MB", "2.41", "3.00"),
        ("all", "float ops", "0", "2"),
        ("all", "int8 multiply-adds, %", "100.0", "50.0"),
    ]
    assert (found.cells, found.same) == (2, 0)


def test_what_differs_in_a_runtime_is_said_of_it(runs: Runs) -> None:
    cpu, xnnpack = plain(runtime="cpu"), plain(runtime="xnnpack")
    slow = float(xnnpack.values["latency_p50_ms"] or 0) * 1.2  # type: ignore[arg-type]
    other = under(xnnpack, "tf215", top1=0.96, agreement=0.9, sqnr_db=40.0, undelegated_ops=3, latency_p50_ms=slow)
    found = compared(runs, cpu, under(cpu, "tf215"), xnnpack, other)
    assert [row[:2] for row in shown(found)] == [("xnnpack", one.title) for one in changes.OF_CELL]
    assert (found.cells, found.same) == (2, 1)


@pytest.mark.parametrize(
    "almost",
    [{"size_bytes": 2_410_000}, {"agreement": 0.9975}, {"sqnr_db": 44.5}, {"latency_p50_ms": 2.8}, {"images": 3}],
)
def test_what_differs_by_next_to_nothing_is_the_same(runs: Runs, almost: dict[str, Any]) -> None:
    assert compared(runs, plain(), under(plain(), "tf215", **almost)).same == 1


def test_rounding_of_float32_is_no_change(runs: Runs) -> None:
    assert compared(runs, plain(sqnr_db=131.0), under(plain(), "tf215", sqnr_db=118.0)).same == 1


def test_what_fails_under_one_is_a_row_with_the_reason(runs: Runs) -> None:
    failed = stopped(plain(), "failed", "export", "converter_error", "op | is <b>new</b>")
    found = compared(runs, plain(), under(failed, "tf215"))
    (change,) = found.states
    assert [(v.text, v.note) for v in change.values] == [("✓", None), ("✗", 1)]
    assert found.notes == ("export: converter_error – op | is <b>new</b>",)
    assert found.numbers == ()
    page = versions_page.page(found)
    assert "| mobilenet_v2 | int8 | tflite | xnnpack | ✓ | ✗¹ |" in page
    assert "1. export: converter_error – op \\| is &lt;b&gt;new&lt;/b&gt;" in page


def test_the_same_failure_under_both_is_no_change_and_another_one_is(runs: Runs) -> None:
    failed = stopped(plain(), "failed", "export", "converter_error", "no")
    again = replace(failed, failure=replace(failed.failure, message="no, at another address"))  # type: ignore[type-var]
    assert compared(runs, failed, under(again, "tf215")).states == ()
    other = stopped(plain(), "crashed", "export", "signal_11", "died")
    assert len(compared(runs, failed, under(other, "tf215")).states) == 1


def test_noise_is_no_change(runs: Runs) -> None:
    noisy = stopped(plain(), "noisy", "latency", "noisy", "disturbed")
    noisy = replace(noisy, values=plain().values)
    assert compared(runs, plain(), under(noisy, "tf215")).states == ()


def test_a_disturbed_latency_is_not_compared(runs: Runs) -> None:
    noisy = replace(stopped(plain(), "noisy", "latency", "noisy", "disturbed"), values=plain().values)
    assert compared(runs, plain(latency_p50_ms=1.0), under(noisy, "tf215", latency_p50_ms=9.0)).same == 1
    assert compared(runs, plain(latency_p50_ms=1.0), under(plain(), "tf215", latency_p50_ms=9.0)).same == 0


def test_operators_that_came_or_went_are_named(runs: Runs) -> None:
    newer = replace(plain(), details={"ops": OPS})
    older = replace(plain(), details={"ops": OPS | {"ADD": {"int8": 3}, "QUANTIZE": {"int8": 2}}})
    found = compared(runs, newer, under(older, "tf215"))
    assert shown(found) == [("all", "operators", "ADD 4, QUANTIZE 0", "ADD 3, QUANTIZE 2")]


def test_a_toolchain_that_is_not_installed_is_said_once(runs: Runs) -> None:
    why = "toolchain tf218 is not installed here; `harness toolchain sync tf218` makes it"
    absent = stopped(plain(), "unsupported", "export", "toolchain_missing", why, "Unsupported")
    refused = stopped(plain(export="onnx"), "unsupported", "quantize", "no_such_form", "TFLite only", "Unsupported")
    cells = [under(one, name) for one in (plain(), refused) for name in ("default", "tf215")]
    found = compared(runs, *cells, under(absent, "tf218"), under(refused, "tf218"))
    assert found.toolchains == ("default", "tf215")
    assert found.absent == (why,)
    assert (found.cells, found.same) == (1, 1)
    assert "harness toolchain sync tf218" in versions_page.page(found)


def test_packages_of_each_toolchain_are_shown(runs: Runs) -> None:
    found = compared(runs, plain(), under(plain(), "tf215"))
    assert found.packages == (
        ("tensorflow", "2.21.0", "2.15.1"),
        ("onnxruntime", "1.32.0", "1.17.1"),
        ("ai-edge-litert", "2.3.0", "·"),
    )


def test_a_damaged_environment_leaves_the_packages_out(runs: Runs) -> None:
    folder = runs.write([plain(), under(plain(), "tf215")], environment=["nothing"])
    (folder / "environment-tf215.json").write_text("{")
    found = versions(view([folder]))
    assert found is not None
    assert found.packages == ()


def test_one_toolchain_has_no_page(runs: Runs, tmp_path: Any) -> None:
    folder = runs.write([plain(), plain(quant="none")])
    assert versions(view([folder])) is None
    assert "versions.md" not in {path.name for path in build([folder], tmp_path / "out")}


def test_the_page_is_built_and_the_terminal_shows_it(runs: Runs, tmp_path: Any) -> None:
    failed = stopped(plain(quant="dynamic"), "failed", "export", "converter_error", "no such op")
    folder = runs.write(
        [plain(), under(plain(), "tf215", size_bytes=1), plain(quant="dynamic"), under(failed, "tf215")]
    )
    pages = {path.name: path for path in build([folder], tmp_path / "out")}
    assert "| mobilenet_v2 | int8 | tflite | all | size, MB |" in pages["versions.md"].read_text()
    stream = io.StringIO()
    terminal.show([folder], Console(file=stream, width=140))
    text = stream.getvalue()
    assert "Cells under default, tf215: 2; the same in everything: 0; not: 2." in text
    assert "size, MB" in text
    assert "no such op" in text


def test_a_long_table_is_cut_on_the_terminal(runs: Runs) -> None:
    models = [f"m{number}" for number in range(50)]
    records = [r for m in models for r in (plain(model=m), under(plain(model=m), "tf215", float_ops=1))]
    stream = io.StringIO()
    terminal.show([runs.write(records)], Console(file=stream, width=140))
    assert "What came out differently: 10 more in versions.md" in stream.getvalue()


numbers = st.none() | st.integers(0, 10**7) | st.floats(allow_nan=True, allow_infinity=True) | st.booleans() | st.text()
values = st.dictionaries(st.sampled_from([q.column for q in (*changes.OF_ARTIFACT, *changes.OF_CELL)]), numbers)


@given(st.dictionaries(st.sampled_from(["default", "tf215", "tf218"]), values, min_size=2))
def test_whatever_the_values_each_row_has_a_field_for_each_toolchain(found: dict[str, Any]) -> None:
    from harness.report.matrix import labels
    from harness.tables.verdict import judge_all

    group = {n: j for n, v in found.items() for j in judge_all([under(replace(plain(), values={}), n, **v)])}
    order = sorted(group)
    for quantities in (changes.OF_ARTIFACT, changes.OF_CELL):
        for change in changes.numbers(group, order, labels(group.values()), quantities):
            assert len(change.values) == len(order)
            assert sum(v.text != "·" for v in change.values) > 1


@pytest.mark.parametrize("ops", [None, [], "CONV_2D", {"CONV_2D": 3}, {"CONV_2D": ["int8"]}])
def test_what_is_no_count_of_operators_counts_nothing(ops: Any) -> None:
    assert not op_counts(ops)
