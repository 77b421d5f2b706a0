"""Ranges stand where a kernel of LiteRT ends, and values that meet in a concatenation share theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.finetuning import Data
from harness.qat import calibration, export, graph, layers, ranges, transforms
from harness.qat.graph import Call

keras = tf.keras.layers


def placed(*body: Callable[[Any], Any]) -> ranges.Placed:
    inputs = value = keras.Input((12, 12, 3), name="image")
    for one in body:
        value = one(value)
    return ranges.place(transforms.apply(graph.read(tf.keras.Model(inputs, value))))


def rounded(found: ranges.Placed) -> list[str]:
    """Names of the values that are rounded."""
    return [call.inputs[0] for call in found.graph.calls if call.kind == "Range"]


def test_a_convolution_its_normalization_and_its_relu_are_rounded_once() -> None:
    found = placed(keras.Conv2D(4, 3), keras.BatchNormalization(), keras.ReLU(6.0, name="end"))
    assert rounded(found) == ["image", "end"]


def test_a_sum_and_its_relu_are_rounded_once() -> None:
    found = placed(
        lambda x: keras.Add()([keras.Conv2D(3, 1, name="a")(x), keras.Conv2D(3, 1, name="b")(x)]),
        keras.Activation("relu", name="end"),
    )
    assert rounded(found) == ["image", "a", "b", "end"]


def test_padding_reshaping_and_max_pooling_hand_values_on() -> None:
    found = placed(keras.Conv2D(4, 3, name="conv"), keras.ZeroPadding2D(), keras.MaxPooling2D(), keras.Reshape((36, 4)))
    assert rounded(found) == ["image", "conv"]


def test_what_two_use_is_rounded_between() -> None:
    def body(x: Any) -> Any:
        value = keras.Conv2D(3, 1, name="conv")(x)
        return keras.Add(name="sum")([value, keras.ReLU(name="relu")(value)])

    assert rounded(placed(body)) == ["image", "conv", "relu", "sum"]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_have_the_range_that_tflite_prescribes(activation: str) -> None:
    found = placed(keras.Conv2D(4, 1, activation=activation))
    assert found.graph.calls[-1].config["fixed"] == (0, 255 / 256)


def test_a_hard_sigmoid_behind_a_convolution_is_a_range_and_nothing_else() -> None:
    found = placed(lambda x: keras.ReLU(6.0)(keras.Conv2D(4, 1, name="conv")(x) + 3.0) * (1 / 6))
    assert [call.kind for call in found.graph.calls] == ["Range", "QuantizedConv2D", "Range"]
    assert found.graph.calls[-1].config["fixed"] == (0, 1)


def test_a_dense_block_has_one_range() -> None:
    def body(x: Any) -> Any:
        value = keras.Conv2D(4, 1, name="start")(x)
        for number in range(3):
            grown = keras.Conv2D(2, 1, name=f"grow_{number}")(keras.ReLU(name=f"relu_{number}")(value))
            value = keras.Concatenate(name=f"join_{number}")([value, grown])
        return keras.AveragePooling2D(name="pool")(value)

    found = placed(body)
    layer = {call.inputs[0]: call.shared or call.name for call in found.graph.calls if call.kind == "Range"}
    assert {layer[name] for name in ("start", "grow_0", "grow_1", "grow_2", "pool")} == {layer["start"]}
    assert len({layer[f"relu_{number}"] for number in range(3)}) == 3
    assert found.shared == 4
    model = graph.build(found.graph)
    assert sum(type(one).__name__ == "Range" for one in model.layers) == found.ranges


def test_calibration_finds_the_ends_and_fine_values_are_rounded_to_them() -> None:
    found = placed(keras.ReLU(name="relu"))
    model = graph.build(found.graph)
    images = np.zeros((4, 12, 12, 3), np.uint8)
    images[2] = 100
    assert calibration.cover(model, calibration.observe(model, Data(images, "none", "relu"), 4, 2), 1.0) == []
    assert ranges.found(model) == {"image_range": (0, 100), "relu_range": (0, 100)}
    (value,) = model(np.full((1, 12, 12, 3), 33.3, np.float32)).values()
    assert value.numpy() == pytest.approx(np.round(33.3 / (100 / 255)) * 100 / 255, rel=1e-5)


ends = hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-50, 50, width=32))


@given(ends, st.sampled_from([1.0, 0.99, 0.9, 0.5]))
def test_a_range_holds_its_share_of_the_images_and_zero(found: Any, share: float) -> None:
    found = np.sort(found, axis=1)
    low, high = calibration.covered(found, share)
    assert low <= 0 <= high
    assert (found[:, 0] >= low).mean() >= share - 1e-9
    assert (found[:, 1] <= high).mean() >= share - 1e-9
    assert low in (0, *found[:, 0])
    assert high in (0, *found[:, 1])


def test_one_image_far_from_all_others_does_not_make_the_range() -> None:
    model = graph.build(placed(keras.ReLU(name="relu")).graph)
    images = np.full((100, 12, 12, 3), 10, np.uint8)
    images[3] = 250
    seen = calibration.observe(model, Data(images, "none", "relu"), 100, 32)
    assert seen["relu_range"].shape == (100, 2)

    def loss() -> float:  # rounding to 250 / 255 and to 10 / 255
        (value,) = model(np.full((1, 12, 12, 3), 7.3, np.float32)).values()
        return float(np.abs(value.numpy() - 7.3).max())

    share, losses, _ = calibration.calibrate(model, seen, (1.0, 0.99), loss)
    assert share == 0.99
    assert losses["0.99"] < losses["1"]
    assert ranges.found(model)["relu_range"] == (0, 10)


def test_with_one_share_nothing_is_tried() -> None:
    model = graph.build(placed(keras.ReLU(name="relu")).graph)
    seen = calibration.observe(model, Data(np.full((2, 12, 12, 3), 9, np.uint8), "none", "relu"), 2, 2)
    assert calibration.calibrate(model, seen, (1.0,), lambda: pytest.fail("judged")) == (1.0, {}, [])


def test_values_that_share_a_range_are_seen_together() -> None:
    def body(x: Any) -> Any:
        return keras.Concatenate(name="join")([keras.ReLU(name="a")(x), keras.Rescaling(2.0)(x)])

    model = graph.build(placed(body).graph)
    seen = calibration.observe(model, Data(np.full((2, 12, 12, 3), 9, np.uint8), "none", "join"), 2, 2)
    assert max(one.max() for one in seen.values()) == 18
    calibration.cover(model, seen, 1.0)
    assert (0, 18) in ranges.found(model).values()


def test_a_range_that_saw_only_zeros_is_told_and_gets_a_width() -> None:
    model = graph.build(placed(keras.ReLU(name="relu")).graph)
    images = np.zeros((2, 12, 12, 3), np.uint8)
    ends = calibration.observe(model, Data(images, "none", "relu"), 2, 2)
    assert calibration.cover(model, ends, 1.0) == ["image_range", "relu_range"]
    assert all(high > low for low, high in ranges.found(model).values())


kernels = hnp.arrays(np.float32, (3, 3, 2, 4), elements=st.floats(-8, 8, width=32))


@given(kernels, st.sampled_from([(0, 1, 2), (0, 1)]))
def test_snapped_kernels_lie_on_127_steps_and_stay_there(kernel: Any, axes: tuple[int, ...]) -> None:
    found = export.snapped(kernel, axes)
    scale = np.maximum(np.abs(kernel).max(axes, keepdims=True), 1e-12) / 127
    steps = found / scale
    assert np.abs(steps - np.round(steps)).max() < 1e-3
    assert np.abs(steps).max() < 127.001
    assert np.abs(found - kernel).max() <= scale.max() * 0.5001
    assert np.allclose(export.snapped(found, axes), found, rtol=1e-5, atol=1e-12)


def test_training_sees_the_weights_that_are_exported() -> None:
    found = placed(keras.Conv2D(4, 3), keras.DepthwiseConv2D(3), keras.Flatten(), keras.Dense(5))
    model = graph.build(found.graph)
    images = np.random.default_rng(0).integers(0, 255, (4, 12, 12, 3)).astype(np.uint8)
    calibration.cover(model, calibration.observe(model, Data(images, "tf", "dense"), 4, 4), 1.0)
    exported = export.exported(found.graph, model)
    assert not any("Quantized" in type(layer).__name__ for layer in exported.layers)
    pixels = images.astype(np.float32) / 127.5 - 1
    (one,), (two,) = model(pixels).values(), exported(pixels).values()
    assert np.array_equal(one, two)


def test_the_gradient_passes_the_grid_as_if_it_were_not_there() -> None:
    kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layers.snap(kernel, (0, 1, 2)) * 2.0)
    assert np.allclose(tape.gradient(value, kernel), 2)


def test_calls_with_the_same_shared_name_are_one_layer() -> None:
    range_ = layers.classes().Range
    calls = tuple(Call(n, range_, {}, (i,), (4, 4, 1), shared="r") for n, i in (("a", "image"), ("b", "a")))
    model = graph.build(graph.Graph("image", (4, 4, 1), calls, {"out": "b"}))
    assert len(model.weights) == 2
