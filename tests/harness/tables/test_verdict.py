"""Records to verdicts: every bound, every reason."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import tables
from harness.errors import UserError
from harness.paths import conf_dir
from harness.records import Failure, Value
from tests.harness.tables.conftest import made, other, stopped, written


def test_a_cell_within_all_bounds_is_clean() -> None:
    assert tables.judge(made()) == tables.Verdict("clean", None, "clean for int8")


@pytest.mark.parametrize(
    ("values", "metric", "text"),
    [
        ({"cosine": 0.9}, "cosine", "cosine 0.9 is below 0.97"),
        ({"sqnr_db": 3.0}, "sqnr_db", "sqnr_db 3 is below 10"),
        ({"agreement": 0.5}, "agreement", "agreement 0.5 is below 0.9"),
        ({"int8_mac_share": 0.4}, "int8_mac_share", "int8_mac_share 0.4 is below 0.95"),
        ({"float_ops": 65}, "float_ops", "float_ops 65 is above 0"),
        ({"top1_drop": 0.1, "mcnemar_p": 0.001}, "top1_drop", "top1_drop 0.1 is above 0.02 (McNemar p = 0.001)"),
        ({"top1_drop": 0.1, "mcnemar_p": None}, "top1_drop", "top1_drop 0.1 is above 0.02 (no paired test)"),
        ({"cosine": None}, "cosine", "cosine was not measured: no reason recorded"),
        ({"int8_mac_share": None}, "int8_mac_share", "int8_mac_share was not measured: no reason recorded"),
        (
            {"top1_drop": 1.0, "mcnemar_p": 0.0625, "images": 5},
            "top1_drop",
            "top1_drop 1 is above 0.02 (McNemar p = 0.062: 5 images are too few to tell)",
        ),
        ({"cosine": math.nan}, "cosine", "cosine nan is below 0.97"),
    ],
)
def test_a_broken_bound_is_degraded_and_named(values: dict[str, Value], metric: str, text: str) -> None:
    assert tables.judge(made(**values)) == tables.Verdict("degraded", metric, text)


def test_every_broken_bound_is_told_and_the_first_is_the_metric() -> None:
    verdict = tables.judge(made(cosine=0.0000361, int8_mac_share=0.4, float_ops=38))
    told = "int8_mac_share 0.4 is below 0.95; cosine 0.0000 is below 0.97; float_ops 38 is above 0"
    assert verdict == tables.Verdict("degraded", "int8_mac_share", told)


def test_what_a_conversion_unpacked_is_said_in_words() -> None:
    assert tables.judge(made("float16", quantization_kept=False)).text == (
        "quantization_kept is no: conversion made float of what was quantized"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"top1_drop": 0.1, "mcnemar_p": 0.2},
        {"top1_drop": -0.1, "mcnemar_p": 0.001},
        {"top1_drop": None, "mcnemar_p": None, "top1": None, "agreement": None},
        {"cosine": 0.97, "sqnr_db": 10.0, "agreement": 0.9, "top1_drop": 0.02, "mcnemar_p": 0.0},
    ],
    ids=["by chance", "better", "no labels", "just on the bounds"],
)
def test_what_is_no_harm_stays_clean(values: dict[str, Value]) -> None:
    assert tables.judge(made(**values)).verdict == "clean"


def test_bounds_are_those_of_the_scheme() -> None:
    values: dict[str, Value] = {"cosine": 0.98, "int8_mac_share": 0.0, "float_ops": 70}
    assert tables.judge(made("dynamic", **values | {"cosine": 0.995})).verdict == "clean"
    assert tables.judge(made("none", **values)).metric == "cosine"
    assert tables.judge(made("of_my_own", **values)).verdict == "clean"


def test_the_scheme_is_that_of_the_options_not_the_name_of_the_preset() -> None:
    record = other(made("int8", cosine=0.98), quant="my_preset")
    assert tables.judge(record).text == "clean for int8"
    assert tables.judge(replace(record, options={})).text == "clean for my_preset"


@pytest.mark.parametrize(
    ("quant", "storage", "cosine", "text"),
    [("none", "float32", 0.9995, "cosine"), ("none", "uint16", 0.9995, "clean for uint16"),
     ("none", "uint8", 0.995, "clean for uint8"), ("none", "float16", 0.995, "cosine"),
     ("prune", "uint8", 0.5, "clean for prune")],
)  # fmt: skip
def test_weights_in_fewer_bits_are_judged_as_what_they_are(quant: str, storage: str, cosine: float, text: str) -> None:
    record = made(quant, cosine=cosine, sqnr_db=50.0)
    stored = replace(record, options=record.options | {"export": {"method": "tfjs", "storage": storage}})
    assert tables.judge(stored).text.startswith(text)


@pytest.mark.parametrize("scheme", ["prune", "prune_int8", "prune_qat", "prune_xnnpack"])
def test_without_labels_a_pruned_model_has_nothing_but_the_float_model_to_show(scheme: str) -> None:
    destroyed = made(scheme, cosine=0.002, sqnr_db=-6.0, agreement=0.0)
    assert "top1" in destroyed.values
    assert tables.judge(destroyed).verdict == "clean"
    blind = replace(destroyed, values={name: v for name, v in destroyed.values.items() if not name.startswith("top1")})
    told = (
        "cosine 0.002 is below 0.97; sqnr_db -6 is below 10 (changed on purpose; without labels nothing shows whether"
    )
    assert tables.judge(blind) == tables.Verdict("degraded", "cosine", f"{told} it still works)")


@pytest.mark.parametrize("scheme", ["int8", "qat", "qat_stock", "ort_static", "prune_qat"])
def test_integers_of_a_file_that_run_in_float_are_told(scheme: str) -> None:
    """QAT of a graph without ranges between batch norm and activation: int8 in the file, float in ONNX Runtime."""
    verdict = tables.judge(made(scheme, int8_mac_share=1.0, float_ops=0, integer_convs=1, float_convs=27))
    told = "integer_conv_share 0.03571 is below 0.95 (ONNX Runtime computes 27 of 28 convolutions in float)"
    assert verdict == tables.Verdict("degraded", "integer_conv_share", told)
    for integer, others in ((181, 1), (0, 0)):
        record = made(scheme, int8_mac_share=1.0, float_ops=0, integer_convs=integer, float_convs=others)
        assert tables.judge(record).verdict == "clean"


def test_a_selective_artifact_may_keep_the_float_ops_it_was_told_to_keep() -> None:
    record = made(float_ops=2, int8_mac_share=0.8)
    chosen = replace(record, options={"quant": {"scheme": "int8", "deny_ops": ["SOFTMAX"]}})
    assert tables.judge(record).verdict == "degraded"
    assert tables.judge(chosen).verdict == "clean"
    assert (
        tables.judge(chosen).text == "clean for int8 (layers in float on purpose, 80.0% of the multiply-adds in int8)"
    )


@pytest.mark.parametrize("deny", [{"deny": "auto"}, {"deny_layers": ["a"]}, {"deny_ops": ["CONV_2D"]}])
def test_an_artifact_that_is_nearly_all_float_is_not_called_int8(deny: dict[str, Value]) -> None:
    record = made(float_ops=155, int8_mac_share=0.035, denied_layers=155)
    verdict = tables.judge(replace(record, options={"quant": {"scheme": "int8", **deny}}))
    assert (verdict.verdict, verdict.metric) == ("degraded", "int8_mac_share")
    told = "int8_mac_share 0.035 is below 0.5 (155 layers in float on purpose, 3.5% of the multiply-adds in int8)"
    assert verdict.text == told


@pytest.mark.parametrize("status", ["failed", "crashed", "out_of_memory", "timeout"])
def test_a_stopped_cell_fails_with_stage_and_reason(status: str) -> None:
    verdict = tables.judge(stopped(status, "line one\nline two"))
    assert verdict == tables.Verdict("fails", None, "export: converter_error – line one line two")


def test_an_unsupported_cell_is_not_applicable_and_says_why() -> None:
    verdict = tables.judge(stopped("unsupported", ""))
    assert verdict == tables.Verdict("n/a", None, "export: converter_error")


def test_a_status_without_a_failure_still_has_a_reason() -> None:
    assert tables.judge(replace(stopped("crashed"), failure=None)).text == "export: crashed"


def test_a_noisy_cell_is_judged_on_the_rest() -> None:
    noisy = Failure("noisy", "latency", "noisy", "Noisy", "0.3 clean")
    clean = replace(made(), status="noisy", failure=noisy)
    assert tables.judge(clean) == tables.Verdict("clean", None, "clean for int8; latency is noisy")
    bad = replace(clean, values=clean.values | {"cosine": 0.1})
    assert tables.judge(bad).verdict == "degraded"
    assert tables.judge(bad).text.endswith("; latency is noisy")


def test_baseline_off_of_one_record_counts_for_all_of_its_model() -> None:
    records = [
        made("none", baseline_off=True, cosine=1.0, sqnr_db=90.0),
        made(),
        made(cosine=0.1),
        stopped("crashed"),
        other(made(), model="resnet50"),
        made(run="r2"),
    ]
    judged = [j.verdict for j in tables.judge_all(records)]
    assert [v.verdict for v in judged] == ["degraded", "degraded", "degraded", "fails", "clean", "clean"]
    assert [v.metric for v in judged[:3]] == ["baseline_off", "baseline_off", "cosine"]
    assert all("baseline off" in v.text for v in judged[:4])
    assert not any("baseline off" in v.text for v in judged[4:])


def test_judging_anew_needs_no_run(tmp_path: Path) -> None:
    folder = written(tmp_path / "r1", made())
    strict = {"schemes": {"default": {"min": {"cosine": 0.9999}}}}
    assert tables.load(folder)["verdict"].tolist() == ["clean"]
    assert tables.load(folder, verdict=strict)["verdict_metric"].tolist() == ["cosine"]


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ("defualt", "did you mean 'default'"),
        ({"schemes": {}}, r"verdict\.schemes\.default: missing"),
        ({"schemes": {"default": {"mim": {}}}}, r"verdict\.schemes\.default\.mim: unknown key.*did you mean 'min'"),
        ({"schemes": {"default": {"min": {"cosine": "high"}}}}, "expected a number"),
        ({"schemes": {"default": {}}, "significance": 2}, "out of range"),
    ],
)
def test_wrong_thresholds_are_user_errors(verdict: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tables.thresholds(verdict)


def test_every_scheme_of_the_presets_has_thresholds_of_its_own() -> None:
    presets = (yaml.safe_load(file.read_text()) for file in (conf_dir() / "quant").glob("*.yaml"))
    named = zip((file.stem for file in (conf_dir() / "quant").glob("*.yaml")), presets, strict=True)
    schemes = {options.get("scheme", name) for name, options in named if "method" in options}
    stored = {"uint8", "uint16"}  # what export.tfjs.storage makes of a float model; float16 is a scheme already
    assert {*schemes, *stored, "default"} == set(tables.thresholds().schemes)
