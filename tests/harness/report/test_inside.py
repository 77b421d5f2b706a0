"""The audit as a table: every quantized artifact, its arithmetic, what stayed in float by name."""

from __future__ import annotations

from dataclasses import replace

from harness.records import Record, Value
from harness.report import inside
from harness.tables.verdict import judge_all, thresholds
from tests.harness.report.conftest import Runs, plain, stopped


def table(*records: Record) -> tuple[str, list[dict[str, str]]]:
    page = inside.page(judge_all(records), thresholds())
    assert page is not None
    head, _, *rows = ([field.strip() for field in line.strip("|").split(" | ")] for line in page.splitlines()
                      if line.startswith("| "))  # fmt: skip
    names = [name or "mark" for name in (field.strip() for field in head)]
    return page, [dict(zip(names, row, strict=True)) for row in rows]


def test_an_int8_artifact_says_what_it_is_made_of() -> None:
    page, (row,) = table(plain())
    assert (row["int8 share"], row["float ops"], row["which"], row["partitions"], row["outside"]) == (
        "1.0000", "0", "·", "1", "0",
    )  # fmt: skip
    assert (row["scale per channel"], row["p50 ms"], row["integer convs"]) == ("yes", "2.60", "·")
    assert "- int8 × tflite: 1 of 1 artifacts have an int8 share of 0.99 or more and no float operator." in page


def test_what_stays_in_float_is_named() -> None:
    ops = [f"float op ADD 'block{number}/add'" for number in range(6)]
    odd = replace(plain(float_ops=6, int8_mac_share=0.92, runtime="cpu"), details={"float_ops": ops})
    page, rows = table(odd, plain(model="resnet50"))
    row = next(one for one in rows if one["model"] == "mobilenet_v2")
    assert row["which"] == "ADD 'block0/add', ADD 'block1/add', ADD 'block2/add' and 3 more"
    assert row["verdict"] == "~¹"
    assert "1 of 2 artifacts" in page


def test_kernels_of_onnx_runtime_have_their_columns() -> None:
    made = plain(export="onnx_qdq", runtime="onnxruntime", integer_convs=51, float_convs=1, inserted_transposes=2,
                 int8_sums="exact", converted_max_steps=1.0)  # fmt: skip
    _, (row,) = table(made)
    names = ("integer convs", "float convs", "transposes", "int8 sums", "steps from TFLite", "partitions")
    assert [row[name] for name in names] == ["51", "1", "2", "exact", "1", "·"]


def test_more_than_a_step_from_litert_has_its_note() -> None:
    def made(model: str, steps: float) -> Record:
        return plain(model, export="onnx_qdq", runtime="onnxruntime", converted_max_steps=steps)

    page, rows = table(made("resnet50", 1.0), made("resnet101", 31.0))
    assert [row["steps from TFLite"] for row in rows] == ["1", "31¹"]
    assert "\n1. more than one step from LiteRT's output on some image" in page
    assert "README.md)" in page  # none of it cut


def test_a_form_says_when_its_integers_are_computed_in_float() -> None:
    def made(model: str, integer_convs: int, form: str) -> Record:
        counts = {"integer_convs": integer_convs, "float_convs": 51 - integer_convs}
        return plain(model, export="onnx_qdq", runtime="onnxruntime", form=form, reduce_range=True, **counts)

    page, rows = table(made("resnet50", 51, "QDQ"), made("resnet101", 0, "QDQ"), made("resnet152", 0, "float32"))
    assert {(row["task"], row["7 bits"]) for row in rows} == {("digits", "yes")}
    texts = {row["model"]: page.partition(f"\n{'⁰¹²³⁴⁵'.index(row['form'])}. ")[2].splitlines()[0] for row in rows}
    assert texts == {
        "resnet50": "QDQ",
        "resnet101": "QDQ; ONNX Runtime computes all its convolutions in float",
        "resnet152": "float32",
    }


def test_operators_are_named_where_there_should_be_none_by_their_last_name() -> None:
    ops = ["float op CONV_2D 'net/a/Relu;net/a/bn;net/a/Conv2D'"]
    one = replace(plain(float_ops=1, int8_mac_share=0.5), details={"float_ops": ops})
    options = {"quant": {"method": "ptq", "scheme": "float16"}}
    other = replace(one, cell=replace(one.cell, quant="float16"), options=options)
    _, rows = table(one, other)
    assert {row["quant"]: row["which"] for row in rows} == {"int8": "CONV_2D 'net/a/Conv2D'", "float16": "·"}


def test_how_many_run_as_integers_and_how_many_never_were() -> None:
    def qdq(model: str, float_convs: int) -> Record:
        return plain(model, export="onnx_qdq", runtime="onnxruntime", integer_convs=51, float_convs=float_convs)

    absent: dict[str, Value] = {"float_ops": None, "int8_mac_share": None, "integer_convs": None}
    one = qdq("resnet50", 0)
    page, _ = table(
        one,
        replace(one, cell=replace(one.cell, threads=2)),  # the same artifact
        qdq("resnet101", 33),
        stopped(plain("a", export="onnx_qdq", **absent), "failed", "quantize", "tfmot_refuses", "no"),
    )
    assert (
        "- int8 × onnx_qdq: 2 of 2 artifacts have an int8 share of 0.99 or more and no float operator; "
        "ONNX Runtime runs all convolutions of 1 in int8; 1 stopped before there was one."
    ) in page


def test_what_is_float_on_purpose_has_rows_and_no_count() -> None:
    one = plain(int8_mac_share=0.0, float_ops=73)
    options = {"quant": {"method": "prune", "scheme": "prune"}}
    pruned = replace(one, cell=replace(one.cell, quant="prune"), options=options)
    stuck = stopped(replace(pruned, cell=replace(pruned.cell, model="a")), "failed", "quantize", "out_of_memory", "no")
    page, rows = table(pruned, stuck)
    assert len(rows) == 2
    assert "artifact" not in page.partition("| model")[0].partition("`measure.evaluate_cap_s`")[2]
    page, _ = table(pruned, one)  # int8 that computes in float throughout
    assert "- int8 × tflite: 0 of 1 artifacts" in page
    assert "- prune" not in page


def test_where_nothing_came_to_an_artifact_none_is_counted() -> None:
    absent: dict[str, Value] = {"float_ops": None, "int8_mac_share": None}
    page, _ = table(stopped(plain(**absent), "failed", "export", "converter_error", "no"))
    assert "- int8 × tflite: all 1 stopped before there was an artifact." in page


def test_what_training_came_to_and_took() -> None:
    facts: dict[str, Value] = {
        "trained_agreement": 0.9958, "tuning_best_epoch": 0, "peak_rss_quantize_bytes": 21_000_000_000,
    }  # fmt: skip
    _, rows = table(plain(**facts), plain(model="resnet50"))
    names = ("trained says the same", "best epoch", "peak GB")
    told = {row["model"]: [row[name] for name in names] for row in rows}
    assert told == {"mobilenet_v2": ["99.6", "0", "21.0"], "resnet50": ["·", "·", "·"]}


def test_a_cell_that_stopped_has_its_reason_and_no_empty_field(runs: Runs) -> None:
    page, rows = table(*runs.sweep())
    assert all(field for row in rows for field in row.values())
    stopped = [row for row in rows if row["verdict"].startswith("✗")]
    assert {row["p50 ms"] for row in stopped} == {"n/a"}
    assert "load: allocate_tensors" in page
    assert not [row for row in rows if row["quant"] == "none"]


def test_without_a_quantized_cell_there_is_no_page() -> None:
    assert inside.page(judge_all([plain(quant="none")]), thresholds()) is None


def test_steps_of_a_file_that_computes_in_float_are_no_matter_of_rounding() -> None:
    made = plain(export="onnx_qdq", runtime="onnxruntime", converted_max_steps=68.0, float_ops=42)
    page, (row,) = table(made)
    assert row["steps from TFLite"] == "68²"
    assert "\n2. ONNX Runtime computes some of it in float" in page
