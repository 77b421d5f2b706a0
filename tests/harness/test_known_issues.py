"""The file of known issues: what is shipped is sound and concerns cells that there are; mistakes are one line."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import config, known_issues, plan
from harness.errors import UserError
from harness.known_issues import KnownIssue
from harness.records import RECORD_VERSION, Cell, Failure, Record

ENTRY: dict[str, Any] = {
    "about": "it does not work", "cells": ["resnet*v2/qat*/*"], "stage": "quantize", "reason": "tfmot_refuses",
    "link": "https://example.org/1", "package": "tensorflow-model-optimization", "since": "0.8.0",
}  # fmt: skip
PACKAGES = {"tensorflow-model-optimization": "0.8.1"}
REFUSED = "tfmot's quantize_model takes no {}: {}"
UNSUPPORTED = (
    "RuntimeError: Layer {}:<class 'tf_keras.src.layers.{}'> is not supported. You can quantize this layer by passing "
    "a `tfmot.quantization.keras.QuantizeConfig` instance to the `quantize_annotate_layer` API."
)
RESCALING = UNSUPPORTED.format("rescaling", "preprocessing.image_preprocessing.Rescaling")


def record(cell: str, stage: str, reason: str, message: str) -> Record:
    model, quant, export, runtime, _ = cell.split("/")
    where = Cell(model, "x", quant, export, runtime, 1, "digits")
    failure = Failure("failed", stage, reason, "StageFailed", message)  # type: ignore[arg-type]
    return Record(
        RECORD_VERSION, "r", where, "0" * 16, "failed", failure.stage, failure, {}, {}, {}, {}, None, None, "f00d",
        "python -m harness", {}, "2026-11-01T02:00:00Z", 1.0,
    )  # fmt: skip


SEEN = [
    ("efficientnet_b0/qat_stock/tflite/xnnpack/t1", "quantize", "tfmot_refuses",
     REFUSED.format("efficientnetb0", RESCALING),
     "tfmot_rescaling"),
    ("efficientnet_v2_s/qat_stock/tflite/cpu/t1", "quantize", "tfmot_refuses",
     REFUSED.format("efficientnetv2-s", RESCALING),
     "tfmot_rescaling"),
    ("densenet121/qat_stock/tflite/xnnpack/t1", "quantize", "tfmot_refuses",
     REFUSED.format("densenet121", UNSUPPORTED.format(
         "conv2_block1_0_bn", "normalization.batch_normalization.BatchNormalization")),
     "tfmot_batch_norm"),
    ("resnet50v2/qat_stock@epochs=1/onnx_qdq/onnxruntime/t1", "quantize", "tfmot_refuses",
     REFUSED.format("resnet50v2", UNSUPPORTED.format(
         "conv2_block1_preact_bn", "normalization.batch_normalization.BatchNormalization")),
     "tfmot_batch_norm"),
    ("mobilenet_v3_small/qat_stock/tflite/xnnpack/t1", "quantize", "tfmot_refuses",
     REFUSED.format("MobilenetV3small", 'AttributeError: Exception encountered when calling layer '
                    "\"tf.__operators__.add\" (type TFOpLambda). 'list' object has no attribute 'dtype'"),
     "tfmot_operators"),
    ("resnet50/prune_xnnpack/tflite/xnnpack/t1", "quantize", "policy_refuses",
     "PruneForLatencyOnXNNPack: Could not find `Conv2D 3x3` layer with stride 2x2, `input filters == 3` and `VALID` "
     "padding and preceding `ZeroPadding2D` with `padding == 1` in all input branches of the model",
     "tfmot_xnnpack_policy"),
    ("mobilenet_v2/int16x8/onnx_qdq/onnxruntime/t1", "export", "inference_error",
     "[ShapeInferenceError] (op_type:QuantizeLinear, node name: serving_default_scan:0_int16): y_zero_point typestr: "
     "T2, has unsupported type: tensor(int16)",
     "onnx_16_bit"),
    ("mobilenet_v2/int16x8/onnx_qdq@opset=21/onnxruntime/t1", "export", "inference_error",
     "[ShapeInferenceError] (op_type:DequantizeLinear, node name: arith.constant_dequant): x typestr: T1, has "
     "unsupported type: tensor(int64)",
     "onnx_16_bit"),
    ("mobilenet_v3_small/int16x8/tflite/cpu/t1", "export", "runtime_error",
     "Quantization to 16x8-bit not yet supported for op: 'HARD_SWISH'.", "int16x8_hard_swish"),
    ("mobilenet_v2/int16x8/tflite/cpu/t1", "export", "runtime_error",
     "Quantization to 16x8-bit not yet supported for op: 'HARD_SWISH'.", None),
    ("resnet50/qat_stock/tflite/xnnpack/t1", "quantize", "tfmot_refuses",
     REFUSED.format("resnet50", UNSUPPORTED.format("conv1_bn", "normalization.BatchNormalization")), None),
    ("mobilenet_symmetric/prune_xnnpack/tflite/xnnpack/t1", "quantize", "policy_refuses",
     "PruneForLatencyOnXNNPack: Could not find `Conv2D 3x3` layer with stride 2x2", None),
    ("densenet121/qat_stock/tflite/xnnpack/t1", "export", "converter_error", "Layer bn is not supported", None),
    ("densenet121/qat_stock/tflite/xnnpack/t1", "quantize", "tfmot_refuses", "ValueError: something else", None),
]  # fmt: skip
"""Cell, stage, reason, message as the libraries gave it, and the entry that knows of it."""


def test_the_shipped_file_knows_what_fails_today_and_nothing_else() -> None:
    issues = known_issues.load()
    for cell, stage, reason, message, expected in SEEN:
        found = [name for name, issue in issues.items() if issue.explains(record(cell, stage, reason, message), {})]
        assert found == ([expected] if expected else []), cell
    assert {expected for *_, expected in SEEN} - {None} == set(issues)


def test_every_shipped_pattern_is_of_cells_that_there_are() -> None:
    wanted = ["model=all", "quant=[qat_stock,prune_xnnpack,int16x8]", "export=[tflite,onnx_qdq]", "task=photos"]
    cells = [planned.cell.id for planned in plan.make(config.compose(wanted).config).cells]
    for name, issue in known_issues.load().items():
        for pattern in issue.cells:
            assert any(fnmatchcase(cell, pattern) for cell in cells), (name, pattern)


@pytest.mark.parametrize(
    ("version", "concerned"),
    [
        ("0.8.0", True),
        ("0.8.1", True),
        ("0.10", True),
        ("0.8.0.dev1", False),
        ("0.7.9", False),
        ("?", True),
        (None, True),
    ],
)
def test_an_older_package_is_not_concerned_and_an_unknown_one_is(version: str | None, concerned: bool) -> None:
    packages: dict[str, Any] = {"tensorflow-model-optimization": version, "numpy": "0.1"}
    issue = KnownIssue(**ENTRY)
    assert issue.covers("resnet50v2/qat/tflite/cpu/t1", packages) is concerned
    assert not issue.covers("resnet50/qat/tflite/cpu/t1", packages)


def test_a_reason_is_matched_as_a_whole_and_a_message_in_part() -> None:
    failed = record("resnet50v2/qat/tflite/cpu/t1", "quantize", "tfmot_refuses", "what it says is long")
    assert KnownIssue(**ENTRY | {"message": "says .* long"}).explains(failed, PACKAGES)
    assert not KnownIssue(**ENTRY | {"message": "^says"}).explains(failed, PACKAGES)
    assert KnownIssue(**ENTRY | {"reason": "tfmot_.*|other"}).explains(failed, PACKAGES)
    assert not KnownIssue(**ENTRY | {"reason": "refuses"}).explains(failed, PACKAGES)
    assert not KnownIssue(**ENTRY | {"stage": "export"}).explains(failed, PACKAGES)


@pytest.mark.parametrize("content", ["", "# nothing is known\n", "{}\n"])
def test_nothing_has_to_be_known(tmp_path: Path, content: str) -> None:
    file = tmp_path / "known.yaml"
    file.write_text(content)
    assert known_issues.load(file) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sinse": "1"}, ["one.sinse: unknown key", "did you mean 'since'"]),
        ({"stage": "convert"}, ["one.stage: 'convert' is not possible", "export"]),
        ({"reason": "a("}, ["one.reason: 'a('", "no regular expression"]),
        ({"message": "[z-a]"}, ["one.message", "no regular expression"]),
        ({"reason": "a{99999999999}"}, ["one.reason", "no regular expression"]),
        ({"cells": []}, ["one.cells: names no cell"]),
        ({"cells": [""]}, ["one.cells: names no cell"]),
        ({"cells": "*"}, ["one.cells: expected a list"]),
        ({"link": "http://example.org"}, ["one.link", "https://"]),
        ({"package": "tensorflow-model-optimisation"}, ["one.package", "did you mean 'tensorflow-model-optimization'"]),
        ({"since": "new"}, ["one.since: 'new' is no version"]),
        ({"since": 0.8}, ["one.since", "0.8"]),
        ({"about": None}, ["one.about"]),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(tmp_path: Path, change: dict[str, Any], told: list[str]) -> None:
    file = tmp_path / "known.yaml"
    file.write_text(yaml.safe_dump({"one": ENTRY | change}))
    with pytest.raises(UserError) as error:
        known_issues.load(file)
    line = str(error.value)
    assert "\n" not in line
    assert str(file) in line
    assert all(word in line for word in told), line


@pytest.mark.parametrize("content", ["[1, 2]", "one: 3", "a: [", "a: \x00", "one: {about: x}", "\xff\xfe"])
def test_what_is_no_file_of_known_issues_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "known.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"known\.yaml") as error:
        known_issues.load(file)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        known_issues.load(tmp_path / "nowhere.yaml")
