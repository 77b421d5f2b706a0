"""The old table's claims beside the records: held, held in part, not held, not run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.records import Record, Value
from harness.report import claims, old_pruning, old_table
from harness.tables.verdict import judge_all
from tests.harness.report.conftest import plain
from tests.harness.report.test_support_matrix import cell, fails, rows


def page(*records: Record) -> str:
    found = old_table.page(judge_all(records))
    assert found is not None
    return found


def pruned(quant: str, **values: Value) -> Record:
    made = cell("resnet50", quant, gzip_bytes=60, size_bytes=100, **values)
    return replace(made, options={**made.options, "quant": {"method": "prune", "then": "float"}})


def line(text: str, *words: str) -> list[str]:
    (found,) = [one for one in text.splitlines() if one.startswith("| ") and all(word in one for word in words)]
    return found.strip("| ").split(" | ")


def test_the_claims_are_those_of_the_document() -> None:
    old = claims.old_table()
    assert [row.named for row in old.support][:4] == ["ResNet50", "ResNet50V2", "ResNet101", "ResNet152"]
    assert len(old.support) == 24
    assert {row.quantization for row in old.support} == {"PTQ, QAT"}
    assert {row.quantized_onnx for row in old.support} == {""}
    assert [row.named for row in old.support if row.fp32_onnx != "Y" or row.opset != "13"] == ["MobileNetV3"]
    assert [row.latency_ratio for row in old.pruning.rows] == [1, 0.959, 0.003]
    assert [round(row.size_mb / 87.79, 3) for row in old.pruning.rows] == [1, pytest.approx(0.32, abs=1e-3), 0.316]


def test_a_mistake_in_the_claims_names_the_key() -> None:
    with pytest.raises(UserError, match=r"old_table\.yaml\.support\[0\]\.claimed: unknown key"):
        claims.checked({"support": [{"claimed": "x"}], "pruning": {}})


def test_what_works_holds() -> None:
    text = page(cell("resnet50", "int8"), cell("resnet50", "qat"), cell("resnet50", "none", "onnx", 13))
    assert rows(text)["resnet50"] == [
        "holds", "not run", "holds", "holds", "holds", "nothing claimed; measured: not run",
    ]  # fmt: skip
    assert line(text, "PTQ works | 1 ") == ["PTQ works", "1", "1", "0", "0", "0"]


def test_what_fails_does_not_hold_and_has_its_note() -> None:
    text = page(fails(cell("densenet121", "qat_stock")), cell("densenet121", "qat", cosine=0.9))
    assert rows(text)["densenet121"][1:3] == ["does not hold¹", "in part²"]
    assert "1. **densenet121/qat_stock/tflite/xnnpack/t1 (digits)**: quantize: tfmot_refuses" in text
    assert "python -m harness model=densenet121 quant=qat_stock export=tflite" in text
    assert line(text, "plain tfmot", "| 1 |")[2:] == ["0", "0", "1", "0"]


def test_some_of_several_schemes_is_in_part() -> None:
    text = page(cell("resnet50", "int8"), fails(cell("resnet50", "int16x8"), "overflow"))
    assert rows(text)["resnet50"][0] == "in part¹"


def test_a_claimed_n_is_refuted_by_one_that_works() -> None:
    good = cell("mobilenet_v3_small", "none", "onnx", 13)
    text = page(good, fails(cell("mobilenet_v3_large", "none", "onnx", 13), "converter_error"))
    assert rows(text)["mobilenet_v3_small"][3:5] == ["claimed that not: does not hold, it works"] * 2
    assert rows(text)["mobilenet_v3_large"][3:5] == ["claimed that not: holds"] * 2
    assert line(text, "float model exports to ONNX: N") == ["float model exports to ONNX: N", "2", "1", "0", "1", "0"]


def test_the_claimed_opset_is_the_one_that_counts() -> None:
    at13 = fails(cell("resnet50", "none", "onnx@opset=13", 13), "checker")
    text = page(at13, cell("resnet50", "none", "onnx@opset=14", 14))
    assert rows(text)["resnet50"][3:5] == ["does not hold¹", "does not hold¹"]
    text = page(cell("resnet50", "none", "onnx@opset=14", 14))
    assert rows(text)["resnet50"][3:5] == ["holds", "not run"]


def test_a_quantized_export_is_shown_where_nothing_was_claimed() -> None:
    text = page(cell("resnet50", "int8", "onnx_qdq", 13))
    assert rows(text)["resnet50"][5] == "nothing claimed; measured: Y"


def test_models_that_the_old_table_had_not_are_left_out() -> None:
    assert old_table.page(judge_all([plain(model="my_net")])) is None
    assert "my_net" not in page(cell("resnet50", "int8"), cell("my_net", "int8"))


def test_pruning_is_held_against_the_interval() -> None:
    speed = {"speedup_vs_float": 1 / 0.99, "speedup_vs_float_ci_low": 1 / 1.01, "speedup_vs_float_ci_high": 1 / 0.985}
    original = cell("resnet50", "none", size_bytes=100, gzip_bytes=100)
    text = page(original, pruned("prune", **speed))
    assert line(text, "pruned", "latency, xnnpack")[2:5] == ["0.959", "0.990 (0.985–1.010)", "no"]
    assert "no kernel here makes use of zeros" in text
    assert line(text, "pruned", "size, file")[2:5] == ["0.319", "1.000", "no"]
    assert line(text, "pruned", "size, gzip")[2:5] == ["0.319", "0.600", "no"]


def test_a_ratio_that_is_found_again_holds_and_a_wide_interval_decides_nothing() -> None:
    original = cell("resnet50", "none", size_bytes=313, gzip_bytes=100)
    near = {"speedup_vs_float": 1 / 0.96, "speedup_vs_float_ci_low": 1 / 0.97, "speedup_vs_float_ci_high": 1 / 0.95}
    text = page(original, pruned("prune", **near))
    assert line(text, "latency, xnnpack")[3:] == ["0.960 (0.950–0.970)", "yes", "–"]
    assert line(text, "size, file")[3:] == ["0.319", "yes", "–"]
    wide = {"speedup_vs_float": 1 / 0.96, "speedup_vs_float_ci_low": 1 / 1.2, "speedup_vs_float_ci_high": 1 / 0.85}
    assert line(page(original, pruned("prune", **wide)), "latency, xnnpack")[4:] == ["undecided", "–"]


def test_a_single_pair_decides_only_what_is_far_away() -> None:
    single = {"speedup_vs_float": 1 / 0.96, "speedup_vs_float_ci_low": None, "speedup_vs_float_ci_high": None}
    text = page(cell("resnet50", "none"), pruned("prune", **single), pruned("prune_int8", **single))
    assert line(text, "0.959", "latency, xnnpack")[3:5] == ["0.960 (0.640–1.440)", "undecided"]
    assert line(text, "0.003", "latency, xnnpack")[4] == "no"


def test_a_pruned_cell_that_stopped_says_why_instead_of_a_number() -> None:
    text = page(cell("resnet50", "none"), fails(pruned("prune"), "out_of_memory", "killed | at 6 GiB"))
    assert "| n/a | not measured | quantize: out_of_memory – killed \\| at 6 GiB |" in text


def test_without_pruned_cells_the_command_is_named() -> None:
    text = page(cell("resnet50", "int8"))
    assert "    python -m harness model=resnet50 'quant=[none,prune,prune_int8]' task=photos" in text


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [(0.94, 0.97, "yes"), (0.99, 1.0, "no"), (0.94, 1.01, "undecided"), (0.959, 0.9997, "undecided")],
)
def test_a_claim_of_0959(low: float, high: float, told: str) -> None:
    assert old_pruning.holds(0.959, low, high) == told


def test_each_task_has_its_own_answer() -> None:
    trained, random = cell("resnet50", "int8"), cell("resnet50", "int8", cosine=0.9)
    text = page(trained, replace(random, cell=replace(random.cell, task="photos")))
    digits, _, photos = text.partition("## On photos")
    assert "## On digits" in digits
    assert rows(digits)["resnet50"][0] == "holds"
    assert rows(photos)["resnet50"][0] == "in part¹"


def test_without_labels_no_distance_from_the_float_model_refutes() -> None:
    blind: dict[str, Value] = {"top1": None, "cosine": 0.39}
    assert rows(page(cell("resnet50", "qat_stock", **blind)))["resnet50"][1] == "in part¹"
    assert rows(page(cell("resnet50", "qat_stock", cosine=0.39)))["resnet50"][1] == "does not hold¹"
