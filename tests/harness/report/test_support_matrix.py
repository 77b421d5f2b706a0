"""The matrix in the shape of the old table: its order, no empty field, and behind every N a reason and a command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Record, Value
from harness.report import build, support_matrix
from harness.report.claims import old_table
from harness.tables.verdict import judge_all
from tests.harness.report.conftest import plain, stopped

RUNTIME = {"tflite": "xnnpack", "onnx": "onnxruntime", "onnx_qdq": "onnxruntime"}
METHODS = {"none": "none", "int8": "ptq", "int16x8": "ptq", "qat": "qat", "qat_stock": "qat_stock"}


def cell(model: str, quant: str, export: str = "tflite", opset: int | None = None, **values: Value) -> Record:
    made = plain(model=model, quant="int8", export=export.partition("@")[0] if export in RUNTIME else "onnx")
    kind = {"method": METHODS.get(quant, quant), "scheme": quant}
    options = {"quant": kind, "export": {"method": export.partition("@")[0], **({"opset": opset} if opset else {})}}
    facts = {**made.values, "cosine": 0.99995, **({"opset": opset} if opset else {}), **values}
    kept = {name: value for name, value in facts.items() if value is not None}
    named = replace(made.cell, quant=quant, export=export, runtime=RUNTIME[export.partition("@")[0]])
    command = f"python -m harness model={model} quant={quant} export={export}"
    return replace(made, cell=named, options=options, values=kept, reproduce=command)


def fails(record: Record, reason: str = "tfmot_refuses", message: str = "Layer bn is not supported") -> Record:
    return stopped(record, "failed", "quantize", reason, message)


def page(*records: Record) -> str:
    found = support_matrix.page(judge_all(records))
    assert found is not None
    return found


def rows(text: str) -> dict[str, list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {line[0]: line[1:] for line in lines[2:]}


def test_a_model_that_does_all_of_it() -> None:
    text = page(
        cell("resnet50", "none"), cell("resnet50", "int8"), cell("resnet50", "qat"),
        cell("resnet50", "none", "onnx", 13), cell("resnet50", "qat", "onnx", 13),
        cell("resnet50", "int8", "onnx_qdq", 13),
    )  # fmt: skip
    assert rows(text) == {"resnet50": ["PTQ, QAT", "Y", "Y: int8/onnx_qdq, qat/onnx", "13"]}
    assert "\n1. " not in text


def test_what_the_run_does_not_ask_for_says_so() -> None:
    assert rows(page(cell("resnet50", "none"))) == {
        "resnet50": ["PTQ not run, QAT not run", "not run", "not run", "not run"]
    }


def test_an_n_has_its_reason_and_its_command() -> None:
    text = page(
        cell("densenet121", "int8"),
        fails(cell("densenet121", "qat_stock")),
        fails(cell("densenet121", "none", "onnx", 13)),
    )
    assert rows(text) == {"densenet121": ["PTQ, no QAT (qat_stock¹)", "N²", "not run", "none (not 13²)"]}
    assert "1. **densenet121/qat\\_stock" not in text  # an underscore inside a word is no emphasis
    assert "1. **densenet121/qat_stock/tflite/xnnpack/t1 (digits)**: quantize: tfmot_refuses – Layer bn" in text
    assert "\n       python -m harness model=densenet121 quant=qat_stock export=tflite\n" in text


def test_one_cause_of_several_models_is_one_note_with_a_command_for_each() -> None:
    text = page(
        cell("resnet50", "int8", cosine=0.9), cell("resnet101", "int8", cosine=0.8), fails(cell("resnet50", "qat"))
    )
    assert [rows(text)[name][0] for name in ("resnet50", "resnet101")] == [
        "PTQ (degraded: int8¹), no QAT (qat²)", "PTQ (degraded: int8¹), QAT not run",
    ]  # fmt: skip
    lines = [line.strip() for line in text[text.index("\n1. ") :].splitlines() if line.strip()]
    assert lines[:5] == [
        "1. int8: cosine 0.8–0.9 is below 0.97",
        "# resnet50/int8/tflite/xnnpack/t1 (digits): cosine 0.9 is below 0.97",
        "python -m harness model=resnet50 quant=int8 export=tflite",
        "# resnet101/int8/tflite/xnnpack/t1 (digits): cosine 0.8 is below 0.97",
        "python -m harness model=resnet101 quant=int8 export=tflite",
    ]


def test_one_cause_of_several_exports_is_one_note() -> None:
    text = page(fails(cell("resnet50", "qat_stock")), fails(cell("resnet50", "qat_stock", "onnx_qdq", 13)))
    assert rows(text)["resnet50"][0] == "PTQ not run, no QAT (qat_stock¹)"
    assert rows(text)["resnet50"][2] == "N: qat_stock/onnx_qdq¹"
    assert "\n2. " not in text


def test_degraded_is_said_with_its_metric() -> None:
    text = page(cell("resnet50", "int8", cosine=0.9), cell("resnet50", "none", "onnx", 13, cosine=0.5))
    assert rows(text)["resnet50"] == ["PTQ (degraded: int8¹), QAT not run", "Y, degraded²", "not run", "13"]
    assert "cosine 0.9 is below 0.97" in text


def test_what_says_something_else_is_no_support() -> None:
    text = page(cell("resnet50", "int8", cosine=0.18), cell("resnet50", "qat", cosine=0.6))
    assert rows(text)["resnet50"][0] == "no PTQ (int8¹), QAT (degraded: qat²)"
    assert "converts, but does not say what the float model says: cosine 0.180 is below 0.5" in text
    lost = page(cell("resnet50", "int8", cosine=None, top1_drop=0.7, mcnemar_p=1e-9))
    assert rows(lost)["resnet50"][0] == "no PTQ (int8¹), QAT not run"


@pytest.mark.parametrize(("agreement", "told"), [(1.0, "degraded"), (0.2, "N")])
def test_what_pruning_or_training_changed_is_not_the_fault_of_its_export(agreement: float, told: str) -> None:
    made: dict[str, Value] = {"cosine": 0.001, "trained_agreement": agreement}
    found = rows(page(cell("resnet50", "qat", **made), cell("resnet50", "qat", "onnx_qdq", 13, **made)))["resnet50"]
    assert found[0] == "PTQ not run, no QAT (qat¹)"
    assert found[2] == f"{told}: qat/onnx_qdq{'¹' if told == 'N' else '²'}"


@pytest.mark.parametrize(("agreement", "told"), [(0.7, "degraded"), (0.4, "N")])
def test_without_labels_an_export_need_not_name_every_class_of_random_weights(agreement: float, told: str) -> None:
    made = cell("resnet50", "qat", "onnx_qdq", 13, cosine=0.001, trained_agreement=agreement, top1=None)
    assert rows(page(made))["resnet50"][2] == f"{told}: qat/onnx_qdq{'¹' if told == 'N' else '²'}"


@pytest.mark.parametrize("reason", ["toolchain_missing", "toolchain_lacks", "node_missing", "no_such_form"])
def test_what_was_not_tried_is_not_run(reason: str) -> None:
    absent = stopped(cell("resnet50", "int8"), "unsupported", "load", reason, "not here", "Unsupported")
    assert rows(page(absent, cell("resnet50", "none")))["resnet50"][0] == "PTQ not run, QAT not run"
    other = stopped(cell("resnet50", "int8"), "unsupported", "load", "fixed_batch", "no", "Unsupported")
    assert rows(page(other))["resnet50"][0] == "no PTQ (int8¹), QAT not run"


def test_the_worst_runtime_counts_and_the_best_opset() -> None:
    good, bad = cell("resnet50", "int8"), cell("resnet50", "int8")
    bad = fails(replace(bad, cell=replace(bad.cell, runtime="cpu")), "allocate_tensors")
    opsets = [cell("resnet50", "none", f"onnx@opset={n}", n) for n in (14, 15, 17)]
    text = page(good, bad, *opsets, fails(cell("resnet50", "none", "onnx@opset=13", 13), "checker"))
    assert rows(text)["resnet50"] == ["no PTQ (int8¹), QAT not run", "Y", "not run", "14–15, 17 (not 13²)"]


def test_of_two_that_are_degraded_the_one_that_says_something_else_counts() -> None:
    near, far = cell("resnet50", "qat_stock", cosine=0.9), cell("resnet50", "qat_stock", cosine=0.18)
    far = replace(far, cell=replace(far.cell, task="photos"))
    for cells in ((near, far), (far, near)):
        assert rows(page(*cells))["resnet50"][0] == "PTQ not run, no QAT (qat_stock¹)"


def test_a_combination_that_cannot_be_is_not_run_and_a_float_file_is_not_quantized() -> None:
    refused = stopped(
        cell("resnet50", "int8", "onnx", 13), "unsupported", "quantize", "no_such_form", "no", "Unsupported"
    )
    unpacked = cell("resnet50", "int16x8", "onnx_qdq", 13, quantization_kept=False, form="float32: unpacked")
    assert rows(page(refused))["resnet50"][2] == "not run"
    text = page(refused, unpacked)
    assert rows(text)["resnet50"][2] == "N: int16x8/onnx_qdq¹"
    assert "not quantized any more: float32: unpacked" in text


def test_a_file_whose_convolutions_are_all_computed_in_float_says_so() -> None:
    text = page(
        cell("resnet50", "ort_dynamic", "onnx", 13, integer_convs=0, float_convs=53),
        cell("resnet50", "int8", "onnx_qdq", 13, integer_convs=53, float_convs=0),
        cell("resnet50", "none", "onnx", 13, integer_convs=0, float_convs=53),
    )
    assert rows(text)["resnet50"][1:3] == ["Y", "Y: int8/onnx_qdq, ort_dynamic/onnx (computed in float)"]


def test_computed_in_float_is_said_of_a_route_and_of_nothing_else() -> None:
    floating = {"integer_convs": 0, "float_convs": 53}
    text = page(cell("resnet50", "qat_stock", "onnx", 13, **floating), cell("resnet50", "qat", "onnx", 13, **floating))
    kinds, _, routes, opsets = rows(text)["resnet50"]
    assert kinds == "PTQ not run, QAT (degraded: qat_stock¹, qat²)"
    assert routes == "degraded: qat_stock/onnx (computed in float)¹, qat/onnx (computed in float)²"
    assert opsets == "13"


def test_pruning_alone_is_no_quantization() -> None:
    pruned = cell("resnet50", "prune", "onnx", 13)
    alone = replace(pruned, options={**pruned.options, "quant": {"method": "prune", "then": "float"}})
    both = replace(pruned, options={**pruned.options, "quant": {"method": "prune", "then": "qat"}})
    assert rows(page(alone))["resnet50"] == ["PTQ not run, QAT not run", "not run", "not run", "not run"]
    assert rows(page(both))["resnet50"][2:] == ["Y: prune/onnx", "13"]


def test_rows_are_in_the_old_order_and_others_after_them() -> None:
    models = old_table().models
    assert len(models) == len(set(models)) == 25
    text = page(*(cell(model, "none") for model in ("zoo_net", *sorted(models), "my_net")))
    assert list(rows(text)) == [*models, "my_net", "zoo_net"]


def test_toolchains_are_rows_of_their_own() -> None:
    other = cell("resnet50", "int8")
    text = page(cell("resnet50", "int8"), replace(other, cell=replace(other.cell, toolchain="tf215")))
    assert list(rows(text)) == ["resnet50 · default", "resnet50 · tf215"]


def test_hostile_text_stays_text() -> None:
    evil = fails(cell("resnet50", "qat"), "<i>", "</td> | `x` <script>\n\n# head")
    text = page(replace(evil, reproduce="python ``` \n# harness <b>"))
    assert "<script>" not in text
    assert rows(text)["resnet50"][0] == "PTQ not run, no QAT (qat¹)"
    assert "\n       python ``` # harness <b>" in text  # indented: a code block that nothing inside can end
    assert not re.search(r"^#+ head", text, re.M)


def test_without_a_record_there_is_no_page() -> None:
    assert support_matrix.page([]) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("resnet50", "mobilenet_v2", "x")),
            st.sampled_from(("none", *METHODS)),
            st.sampled_from(("tflite", "onnx", "onnx_qdq", "onnx@opset=14")),
            st.sampled_from(("ok", "failed", "unsupported")),
            st.sampled_from((None, 13, 14)),
        ),
        min_size=1,
    )
)
def test_no_field_is_ever_blank_and_every_n_has_a_note(drawn: list[tuple[Any, ...]]) -> None:
    records = []
    for model, quant, export, status, opset in drawn:
        made = cell(model, quant, export, opset)
        records.append(made if status == "ok" else stopped(made, status, "export", "why", f"{model} {quant}"))
    text = page(*records)
    notes = set(re.findall(r"^(\d+)\. ", text, re.M))
    assert len(rows(text)) == len({one[0] for one in drawn})
    for fields in rows(text).values():
        assert len(fields) == 4
        assert all(field.strip() for field in fields)
        for number in re.findall(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", " ".join(fields)):
            assert number.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")) in notes
        assert not re.search(r"\bN\b(?![:¹²³⁴⁵⁶⁷⁸⁹⁰ ])", fields[1])
    assert text.count("python -m harness") == len(notes)


def test_it_is_a_page_of_every_report_and_shows_the_newest_record(runs: Any, tmp_path: Path) -> None:
    old = fails(cell("resnet50", "none", "onnx", 13))
    new = replace(cell("resnet50", "none", "onnx", 13), run="r2", started_at="2026-11-23T08:00:00+00:00")
    build([runs.write([old]), runs.write([new], "r2")], tmp_path)
    assert rows((tmp_path / "support-matrix.md").read_text("utf-8"))["resnet50"][1] == "Y"


def test_notes_name_the_task_where_there_are_several_and_what_lacks_labels() -> None:
    digits, photos = cell("resnet50", "int8", cosine=0.9), cell("resnet50", "int8", cosine=0.8, top1=None)
    blind = replace(photos, cell=replace(photos.cell, task="photos"))
    text = "\n".join(support_matrix.tables(judge_all([digits, blind]), commands=False))
    assert "\n1. int8 on digits: cosine 0.9 is below 0.97" in text
    assert "Without labels (`photos`) a model of the zoo has random weights" in text
    assert "Without labels" not in page(digits)


def test_seven_bits_by_the_processor_are_told() -> None:
    made = cell("resnet50", "ort_static", "onnx", 13, cosine=0.9, reduce_range=True)
    quant = {"method": "ort_static", "scheme": "ort_static"}
    for asked, told in (("auto", True), ("yes", False)):
        text = page(replace(made, options={**made.options, "quant": quant | {"reduce_range": asked}}))
        assert ("weights of 7 bits, made on a processor without VNNI" in text) == told
