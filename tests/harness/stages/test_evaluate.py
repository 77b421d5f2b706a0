"""Stage ``evaluate`` with a runtime in NumPy: what it runs, books and refuses."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, Unsupported, UserError
from harness.metrics import accuracy, fidelity
from harness.stages import evaluate, opening
from harness.stages.contract import Outcome


class Quiet:
    """A reporter that nobody asks."""

    def stage(self, name: str) -> None: ...

    def progress(self, fraction: float, note: str = "") -> None: ...


def run(job: Any) -> Outcome:
    return evaluate.run(job, Quiet())


def predictions(toy: Any) -> dict[str, np.ndarray]:
    with np.load(toy.root / "out/predictions.npz") as stored:
        return dict(stored)


def test_the_same_model_is_perfect(toy: Any, reports: Any) -> None:
    outcome = evaluate.run(toy.job("evaluate"), reports)
    assert reports.stages == ["load", "run", "fidelity", "accuracy"]
    values = outcome.values
    assert values["images"] == 40
    assert values["top1"] == values["top5"] == values["agreement"] == values["float_top1"] == 1
    assert values["top1_drop"] == 0
    assert values["mcnemar_p"] == 1
    assert values["sqnr_db"] > 120  # one image at a time sums in another order than all at once
    groups = (evaluate.COVERAGE_COLUMNS, evaluate.FUSION_COLUMNS, evaluate.TRAINED_COLUMNS, evaluate.CONVERTED_COLUMNS)
    assert set(outcome.missing) == {column for columns in groups for column in columns}
    json.dumps(outcome.details)


def test_columns_have_units_and_a_value_or_a_reason(toy: Any) -> None:
    outcome = run(toy.job("evaluate"))
    assert set(outcome.values) | set(outcome.missing) == {*accuracy.UNITS, *fidelity.UNITS, *evaluate.UNITS}
    assert not set(outcome.values) & set(outcome.missing)


def test_the_artifact_is_held_against_the_model_that_was_trained_too(toy: Any) -> None:
    images = np.load(toy.root / "dataset" / "eval_images.npy")
    name = opening.source_info(toy.job("evaluate"))["primary"]
    right = np.load(toy.root / "source" / "reference.npz")[name]
    trained = right.copy()
    trained[0] = np.roll(trained[0], 1)
    (toy.root / "quantized").mkdir(exist_ok=True)
    np.savez(toy.root / "quantized" / "reference.npz", **{name: trained})
    values = run(toy.job("evaluate")).values
    assert values["trained_agreement"] == pytest.approx(1 - 1 / len(images))
    assert values["trained_max_abs_error"] == pytest.approx(np.abs(right - trained).max(), rel=1e-4)
    assert values["trained_top1"] == pytest.approx(1 - 1 / len(images))
    assert values["trained_top1_drop"] == pytest.approx(-1 / len(images))


def test_a_worse_model_is_paired_with_the_float_one(toy: Any) -> None:
    toy.write_artifact(toy.weights[:, [1, 0, 2, 3, 4, 5, 6]])  # classes 0 and 1 change places
    outcome = run(toy.job("evaluate"))
    wrong = int(np.isin(toy.labels, [0, 1]).sum())
    assert 0 < wrong < 40
    assert outcome.values["only_float_right"] == wrong
    assert outcome.values["only_artifact_right"] == 0
    assert outcome.values["top1_drop"] == pytest.approx(wrong / 40)
    assert outcome.values["agreement"] == pytest.approx(1 - wrong / 40)
    assert outcome.values["mcnemar_p"] == pytest.approx(min(1.0, 2 / 2**wrong))


def test_predictions_of_every_image_are_kept(toy: Any) -> None:
    run(toy.job("evaluate"))
    kept = predictions(toy)
    assert sorted(kept["image"]) == list(range(40))
    assert kept["classes"].shape == kept["scores"].shape == (40, 5)
    assert kept["scores"].dtype == np.float32
    assert (kept["labels"] == toy.labels[kept["image"]]).all()
    assert (kept["correct"] == (kept["classes"][:, 0] == kept["labels"])).all()


def test_fewer_images_are_the_same_ones_for_every_cell(toy: Any) -> None:
    run(toy.job("evaluate"))
    everything = predictions(toy)["image"]
    outcome = run(toy.job("evaluate", measure={"max_images": 9}))
    assert outcome.values["images"] == 9
    assert predictions(toy)["image"].tolist() == everything[:9].tolist()
    assert outcome.values["agreement"] == 1  # the reference of the same images, not of the first nine
    assert everything.tolist() != sorted(everything)


@pytest.mark.parametrize("batch", [3, 40, 64])
def test_a_batch_gives_the_same_figures(toy: Any, batch: int) -> None:
    one = run(toy.job("evaluate"))
    many = run(toy.job("evaluate", runtime={"batch": batch}))
    assert many.values == {**one.values, "batch": batch, "max_abs_error": many.values["max_abs_error"]} | {
        name: many.values[name] for name in ("sqnr_db", "cosine")
    }
    assert many.values["sqnr_db"] > 100


def test_time_ends_the_run_after_four_images(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0, 10)
    monkeypatch.setattr(evaluate, "_run_all", _with_clock(evaluate._run_all, lambda: next(clock)))
    outcome = run(toy.job("evaluate", measure={"evaluate_cap_s": 25}))
    assert outcome.values["images"] == 6  # the clock is first asked before the fifth


def _with_clock(function: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
    return lambda *arguments: function(*arguments, clock=clock)


def test_the_time_of_the_runs_alone_is_kept(toy: Any) -> None:
    before = time.monotonic()
    inference = run(toy.job("evaluate")).details["inference"]
    assert before <= inference["began_s"] <= inference["ended_s"] <= time.monotonic()
    assert 0 < inference["inference_s"] <= inference["ended_s"] - inference["began_s"]


def test_without_labels_accuracy_is_empty_with_its_reason(make_cell: Any) -> None:
    toy = make_cell(labelled=False)
    outcome = run(toy.job("evaluate"))
    assert {outcome.missing[name] for name in accuracy.COLUMNS} == {"task toy has no labels"}
    assert outcome.values["agreement"] == 1
    assert set(predictions(toy)) == {"image", "classes", "scores"}


def test_another_number_of_classes_is_a_reason(toy: Any) -> None:
    (toy.root / "dataset/dataset.json").write_text('{"name": "toy", "classes": 1000, "labelled": true}')
    outcome = run(toy.job("evaluate"))
    assert "7 values" in outcome.missing["top1"]
    assert "1000 classes" in outcome.missing["top1"]


def test_coverage_becomes_columns(toy: Any) -> None:
    outcome = run(toy.job("evaluate", runtime={"fault": "coverage"}))
    assert {name: outcome.values[name] for name in evaluate.COVERAGE_COLUMNS} == {
        "delegate_applied": True,
        "partitions": 2,
        "undelegated_ops": 3,
    }
    assert outcome.details["undelegated"] == {"SOFTMAX": 3}


@pytest.mark.parametrize(
    ("fault", "reason", "stage"), [("nan", "non_finite", "run"), ("name", "lost_names", "fidelity")]
)
def test_faults_of_an_artifact_stop_where_they_show(
    toy: Any, reports: Any, fault: str, reason: str, stage: str
) -> None:
    with pytest.raises(StageFailed) as caught:
        evaluate.run(toy.job("evaluate", runtime={"fault": fault}), reports)
    assert caught.value.reason == reason
    assert reports.stages[-1] == stage


def test_an_output_of_another_shape_is_refused(toy: Any) -> None:
    toy.write_artifact(toy.weights[:, :6])
    with pytest.raises(StageFailed, match="shape") as caught:
        run(toy.job("evaluate"))
    assert caught.value.reason == "output_shape"


def test_the_artifact_must_be_the_recorded_one(toy: Any) -> None:
    content = (toy.root / "artifact/model.tflite").read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    assert run(toy.job("evaluate", artifact_sha256=checksum)).values["images"] == 40
    (toy.root / "artifact/model.tflite").write_bytes(content + b" ")
    with pytest.raises(StageFailed) as caught:
        run(toy.job("evaluate", artifact_sha256=checksum))
    assert caught.value.reason == "damaged_artifact"
    (toy.root / "artifact/model.tflite").unlink()
    with pytest.raises(StageFailed, match="gone"):
        run(toy.job("evaluate", artifact_sha256=checksum))


def test_a_format_or_option_that_the_runtime_does_not_know(toy: Any) -> None:
    with pytest.raises(UserError, match="batsch"):
        run(toy.job("evaluate", runtime={"batsch": 2}))
    (toy.root / "artifact/artifact.json").write_text('{"format": "onnx", "file": "model.tflite"}')
    with pytest.raises(Unsupported) as caught:
        run(toy.job("evaluate"))
    assert caught.value.reason == "unreadable_format"


def test_a_folder_as_artifact_is_left_to_the_cache(toy: Any) -> None:
    (toy.root / "artifact/saved_model").mkdir()
    opening._check(toy.root / "artifact/saved_model", "no checksum of a file")
