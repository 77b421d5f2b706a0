"""Records to typed rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import tables
from harness.codec import encode_record
from harness.errors import UserError
from harness.records import Value
from harness.tables.frame import frame
from tests.harness.tables.conftest import made, other, stopped, written

_PROMISED = """
run model family quant export runtime threads toolchain task input_shape status stage reason message verdict top1 top5
images top1_drop mcnemar_p agreement cosine sqnr_db max_abs_error latency_min_ms latency_p50_ms latency_p90_ms
latency_ci_low_ms latency_ci_high_ms clean_fraction load_ms first_ms size_bytes gzip_bytes int8_mac_share float_ops
undelegated_ops partitions sparsity opset convert_s peak_rss_convert_bytes peak_rss_run_bytes artifact artifact_sha256
fingerprint started_at
"""
PROMISED = _PROMISED.split()
"""Written out once more: the promise of section 8 of the design, not what the code says today."""


def test_columns_come_first_in_the_promised_order(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1", made(samples=212)))
    assert list(table.columns[: len(PROMISED)]) == PROMISED
    assert {"cell", "notes", "samples"} <= set(table.columns[len(PROMISED) :])


def test_types_are_nullable_and_absent_is_na(tmp_path: Path) -> None:
    table = tables.load(
        written(tmp_path / "r1", made(unsteady=False, samples=3), other(stopped("crashed"), runtime="cpu"))
    )
    types = {name: str(kind) for name, kind in table.dtypes.items()}
    assert types["model"] == types["message"] == types["input_shape"] == types["notes"] == "string"
    assert types["top1"] == types["latency_p50_ms"] == types["seconds"] == "Float64"
    assert types["threads"] == types["images"] == types["size_bytes"] == types["samples"] == "Int64"
    assert types["unsteady"] == "boolean"
    assert set(types.values()) <= {"string", "Float64", "Int64", "boolean"}


def test_what_does_not_apply_is_na_with_its_reason(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1", made()))
    row = table.iloc[0]
    assert table[["sparsity", "opset", "reason", "message", "gzip_bytes"]].isna().all(axis=None)
    assert json.loads(row["notes"]) == {"sparsity": "not pruned"}
    assert row["stage"] == "latency"
    assert row["size_bytes"] == 2_400_000


def test_failure_fills_stage_reason_and_message(tmp_path: Path) -> None:
    row = tables.load(written(tmp_path / "r1", stopped("out_of_memory"))).iloc[0]
    assert (row["status"], row["stage"], row["reason"]) == ("out_of_memory", "export", "converter_error")
    assert (row["message"], row["verdict"]) == ("no such op", "fails")


def test_a_run_without_records_has_all_columns_and_types(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1"))
    assert len(table) == 0
    assert list(table.columns[: len(PROMISED)]) == PROMISED
    assert str(table["top1"].dtype) == "Float64"


def test_a_torn_last_line_is_skipped_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torn = encode_record(other(made(), runtime="cpu"))[:-40]
    table = tables.load(written(tmp_path / "r1", made(), tail=torn))
    assert table["runtime"].tolist() == ["xnnpack"]
    assert "r1/records.jsonl, line 2" in table.attrs["problems"][0]
    assert "line 2" in caplog.text


def test_a_damaged_line_costs_only_itself(tmp_path: Path) -> None:
    damaged = encode_record(made()).replace(b"mobilenet_v2", b"mobilenet_v9") + b"\n\n"
    good = encode_record(other(made(), runtime="cpu")) + b"\n"
    table = tables.load(written(tmp_path / "r1", tail=damaged + good))
    assert table["runtime"].tolist() == ["cpu"]
    assert len(table.attrs["problems"]) == 1


def test_a_later_record_of_a_cell_replaces_the_earlier(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1", stopped("timeout"), made()))
    assert table["status"].tolist() == ["ok"]


def test_the_same_cell_of_two_runs_is_two_rows(tmp_path: Path) -> None:
    written(tmp_path / "r1", made())
    written(tmp_path / "r2", made(run="r2"))
    assert tables.load(tmp_path / "*")["run"].tolist() == ["r1", "r2"]


def test_paths_may_be_folders_files_and_globs_and_overlap(tmp_path: Path) -> None:
    folder = written(tmp_path / "r1", made())
    (tmp_path / "README.md").write_text("not a run")
    table = tables.load(folder, folder / "records.jsonl", str(tmp_path / "*"), str(tmp_path / "r1" / "*.jsonl"))
    assert len(table) == 1


def test_rows_have_one_order_however_they_were_written(tmp_path: Path) -> None:
    records = [other(made(q), model=m) for q in ("int8", "none") for m in ("resnet101", "resnet50", "resnet50v2")]
    first = tables.load(written(tmp_path / "a", *records))
    second = tables.load(written(tmp_path / "b", *reversed(records)))
    assert first["cell"].tolist() == second["cell"].tolist()
    assert first["model"].tolist() == ["resnet50"] * 2 + ["resnet50v2"] * 2 + ["resnet101"] * 2
    assert first["quant"].tolist() == ["none", "int8"] * 3


@pytest.mark.parametrize("name", ["nothing", "nothing-*", "empty"])
def test_a_path_that_is_no_run_is_a_user_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"records\.jsonl"):
        tables.load(tmp_path / name)


def test_values_of_a_wrong_type_are_na_and_reported(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1", made(top5="high", images=12.5, partitions=True)))
    assert table[["top5", "images", "partitions"]].isna().all(axis=None)
    assert len(table.attrs["problems"]) == 3


def test_values_cannot_take_the_place_of_facts(tmp_path: Path) -> None:
    table = tables.load(written(tmp_path / "r1", made(model="evil", verdict="clean", notes="x", cosine=0.1)))
    assert table.columns.is_unique
    assert table.iloc[0][["model", "verdict"]].tolist() == ["mobilenet_v2", "degraded"]


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from([*PROMISED, "own"]), st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.floats(), st.integers())))  # fmt: skip
def test_any_values_make_a_typed_frame(values: dict[str, Value]) -> None:
    records = [replace(made(), values=values), made()]
    table = frame(tables.judge_all(records))
    assert len(table) == 2
    assert set(map(str, table.dtypes)) <= {"string", "Float64", "Int64", "boolean"}


def test_of_a_file_that_is_no_run_a_few_lines_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "README.md"
    file.write_text("no record\n" * 100)
    found = tables.read(file)
    assert len(found.problems) == 100
    assert len(caplog.messages) == 6
    assert caplog.messages[-1].endswith("README.md: 95 more such lines")
