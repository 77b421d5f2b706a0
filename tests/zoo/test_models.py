"""Training, random weights and saving, on nets small enough for a unit test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo import network, preprocessing, random_weights, saved_model, training
from zoo.errors import ZooError


def small_net(classes: int = 2, size: int = 12) -> Any:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    image = layers.Input((size, size, 3), name="pixels")
    x = image
    for filters in (8, 8, 16):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return tf_keras.Model(image, layers.Dense(classes, "softmax", name="predictions")(x))


def noise(count: int, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Dark images of class 0 and bright ones of class 1."""
    random = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int32) % 2
    pixels = random.integers(0, 120, (count, size, size, 3)) + 130 * labels[:, None, None, None]
    return pixels.astype(np.uint8), labels


def test_training_reaches_the_target_and_stops() -> None:
    seen: list[tuple[int, int, float]] = []
    settings = training.Settings(epochs=30, learning_rate=0.01, target=0.9, batch=16, patience=2)
    images, labels = noise(160)
    done = training.train(
        small_net(),
        images,
        labels,
        "tf",
        settings=settings,
        progress=lambda epoch, cap, top1: seen.append((epoch, cap, top1)),
    )
    assert done.epochs < 30
    assert min(done.held_out_top1[-2:]) >= 0.9
    assert seen == [(n + 1, 30, top1) for n, top1 in enumerate(done.held_out_top1)]


def test_training_stops_at_the_cap() -> None:
    images, labels = noise(40)
    done = training.train(
        small_net(), images, 1 - labels, "tf", settings=training.Settings(epochs=1, learning_rate=0.0)
    )
    assert done.epochs == 1


def test_shift_moves_without_wrapping() -> None:
    images = np.arange(100, dtype=np.uint8).reshape(1, 10, 10, 1).repeat(40, axis=0)
    moved = training.shifted(images, 0.1, np.random.default_rng(0))
    offsets = {int(image[5, 5, 0]) - 55 for image in moved}
    assert offsets == {-11, -10, -9, -1, 0, 1, 9, 10, 11}
    assert all((np.diff(image[..., 0].astype(int), axis=1) >= 0).all() for image in moved)


def test_random_weights_tell_images_apart() -> None:
    model = small_net(classes=50)
    random = np.random.default_rng(1)
    colours = random.integers(0, 200, (16, 1, 1, 3))
    images = (colours + random.integers(0, 56, (16, 12, 12, 3))).astype(np.uint8)
    net = network.from_keras(model, (12, 12, 3))
    flat = network.predict(net, images, "tf")["predictions"]
    random_weights.enliven(model, images, "tf")
    alive = network.predict(net, images, "tf")["predictions"]
    logits = np.log(alive)
    spread = (logits - logits.mean(axis=1, keepdims=True)).std(axis=0).mean()
    assert np.log(flat).std(axis=0).mean() < 0.1
    assert 2 < spread < 4
    assert len(set(alive.argmax(axis=1))) >= 4
    assert next(layer.rate for layer in model.layers if layer.name.startswith("dropout")) == 0.5


def test_statistics_are_those_of_all_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).integers(0, 256, (16, 12, 12, 3), dtype=np.uint8)
    whole, chunked = small_net(), small_net()
    random_weights.enliven(whole, images, "tf")
    monkeypatch.setattr(random_weights, "_PIXELS_A_CHUNK", 4 * 12 * 12)
    assert len(list(random_weights._chunks(images, "tf"))) == 4
    random_weights.enliven(chunked, images, "tf")
    means = [
        next(layer for layer in model.layers if "batch_norm" in layer.name).moving_mean.numpy()
        for model in (whole, chunked)
    ]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-3, atol=1e-4)


def test_one_image_is_not_enough() -> None:
    with pytest.raises(ZooError, match="at least 2 calibration images, there are 1"):
        random_weights.enliven(small_net(), np.zeros((1, 12, 12, 3), np.uint8), "tf")


def test_saved_model_equals_keras(tmp_path: Path) -> None:
    import tf_keras

    trunk = small_net()
    heads = [trunk.output, tf_keras.layers.Flatten(name="maps")(trunk.layers[3].output)]
    model = tf_keras.Model(trunk.input, heads)
    net = network.from_keras(model, (12, 12, 3), "pixels")
    shapes = saved_model.save(net, tmp_path / "saved")
    assert shapes == {"predictions": (1, 2), "maps": (1, 1152)}
    images, _ = noise(3)
    reference = network.predict(net, images, "tf")
    loaded = saved_model.load(tmp_path / "saved")
    signature = loaded.signatures["serving_default"]
    assert signature.structured_input_signature[1]["pixels"].shape.as_list() == [1, 12, 12, 3]
    for number in range(3):
        found = saved_model.run(loaded, "pixels", preprocessing.apply(images[number : number + 1], "tf"))
        assert found.keys() == reference.keys()
        for name, value in found.items():
            np.testing.assert_allclose(value[0], reference[name][number], rtol=1e-5, atol=1e-6)


def test_size_of_a_network() -> None:
    net = network.from_keras(small_net(), (12, 12, 3))
    assert net.parameters == 3 * 8 * 9 + 8 * 8 * 9 + 8 * 16 * 9 + 4 * (8 + 8 + 16) + 17 * 2
    assert net.weights_bytes == 4 * net.parameters


@pytest.mark.parametrize(
    ("name", "expected"), [("image", "image"), ("input_1:0", "input_1"), ("my-in/put", "my_in_put"), ("0", "input_0")]
)
def test_readable(name: str, expected: str) -> None:
    assert network.readable(name) == expected
