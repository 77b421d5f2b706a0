"""``harness.metrics.accuracy`` on predictions counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import accuracy
from harness.metrics.statistics import mcnemar_exact, wilson


def one_hot(classes: list[int], total: int) -> np.ndarray:
    scores = np.zeros((len(classes), total), np.float32)
    scores[np.arange(len(classes)), classes] = 1
    return scores


def test_best_classes_fall_and_ties_go_to_the_lower_number() -> None:
    found = accuracy.best(np.array([[0, 3, 1, 3, 2, 0, 0]], np.float32))
    assert found.classes.tolist() == [[1, 3, 4, 2, 0]]
    assert found.scores.tolist() == [[3, 3, 2, 1, 0]]
    assert found.classes.dtype == np.int32
    assert accuracy.best(np.array([[1, 2]], np.float32)).classes.tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="shape"):
        accuracy.best(np.zeros((1, 2, 2), np.float32))


def test_figures_by_hand() -> None:
    labels = np.array([0, 1, 2, 3, 4, 9], np.int32)
    artifact = accuracy.best(one_hot([0, 1, 2, 0, 0, 0], 10))  # ties after the first: 0, 1, 2, 3 …
    reference = accuracy.best(one_hot([0, 1, 3, 3, 4, 9], 10))
    values, missing = accuracy.measure(artifact, reference, labels, 10)
    assert not missing
    assert values["top1"] == 0.5
    assert values["float_top1"] == pytest.approx(5 / 6)
    assert values["top1_drop"] == pytest.approx(2 / 6)
    assert values["top5"] == pytest.approx(5 / 6)  # 3 and 4 are among the first five by their number, 9 is not
    assert (values["only_float_right"], values["only_artifact_right"]) == (3, 1)
    assert values["mcnemar_p"] == mcnemar_exact(3, 1)
    assert (values["top1_ci_low"], values["top1_ci_high"]) == wilson(3, 6)
    assert set(values) == set(accuracy.COLUMNS)


def test_top5_means_nothing_with_five_classes() -> None:
    same = accuracy.best(one_hot([0, 1, 2], 5))
    values, missing = accuracy.measure(same, same, np.array([0, 1, 2], np.int32), 5)
    assert set(missing) == {"top5"}
    assert values["top1"] == 1
    assert values["mcnemar_p"] == 1
    assert values["top1_drop"] == 0
