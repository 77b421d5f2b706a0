"""Two graphs on the same random inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import UserError
from harness.graph.transforms.checking import Difference, differences
from tests.harness.graph.transforms.conftest import tf1


def scaled(factor: float, shape: tuple[int, ...] = (1, 4)) -> Any:
    import tensorflow as tf

    return tf1(lambda image: tf.ones_like(image) * factor, shape).content


def between(before: Any, after: Any, inputs: tuple[str, ...] = ("image",)) -> Difference:
    (found,) = differences(before, after, inputs, ["scores"], seed=0)
    return found


def test_the_same_graph_does_not_differ() -> None:
    assert between(scaled(2), scaled(2), ("image:0",)) == Difference("scores", 0.0, 2.0)


def test_the_largest_difference_and_the_largest_value() -> None:
    assert between(scaled(2), scaled(-1)) == Difference("scores", 3.0, 2.0)


@pytest.mark.parametrize(
    ("before", "after", "worst"),
    [
        (1.0, np.nan, np.inf),
        (np.nan, 1.0, np.inf),
        (np.nan, np.nan, 0.0),
        (np.inf, np.inf, 0.0),
        (np.inf, -np.inf, np.inf),
    ],
)
def test_what_is_no_number_on_one_side_only_is_infinitely_far(before: float, after: float, worst: float) -> None:
    assert between(scaled(before), scaled(after)).worst == worst


def test_another_shape_is_infinitely_far() -> None:
    import tensorflow as tf

    wide = tf1(lambda image: tf.concat([image, image], 1), (1, 4)).content
    assert between(scaled(2), wide).worst == np.inf


def test_integers_and_any_batch() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as made:
        image = tf.compat.v1.placeholder(tf.uint8, (None, 3), "image")
        tf.identity(tf.cast(image, tf.float32), "scores")
    found = between(made.as_graph_def(), made.as_graph_def())
    assert found.worst == 0
    assert 0 < found.reach < 127


def test_what_tensorflow_cannot_run_is_told() -> None:
    broken = scaled(2)
    next(node for node in broken.node if node.op == "Mul").op = "MyOwnOp"
    with pytest.raises(UserError, match=r"--check: TensorFlow cannot run it: .*MyOwnOp"):
        between(scaled(2), broken)
