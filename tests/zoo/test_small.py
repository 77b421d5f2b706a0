"""What the zoo promises: every model of ``small`` learns the digits, and random weights are alive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from zoo import architectures, network, random_weights, training
from zoo.data import digits, photos
from zoo.dataset import Split

CONF = Path(__file__).parents[2] / "conf"
SMALL = list(OmegaConf.load(CONF / "model" / "small.yaml").defaults)


def collect(split: Split | None) -> tuple[np.ndarray, np.ndarray]:
    assert split is not None
    samples = list(split.samples)
    return np.stack([image for image, _ in samples]), np.array([label for _, label in samples], np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_learns_the_digits(name: str) -> None:
    import tf_keras

    model, task = (OmegaConf.load(CONF / f"{path}.yaml") for path in (f"model/{name}", "task/digits"))
    shape = (model.small_size, model.small_size, 3)
    data = digits.load({}, shape, 0)
    tf_keras.utils.set_random_seed(0)
    keras = architectures.build(model.architecture, shape, 10)
    settings = training.Settings(**model.training, target=task.target)
    training.train(keras, *collect(data.train), model.preprocessing, settings=settings)
    images, labels = collect(data.evaluation)
    found = network.predict(network.from_keras(keras, shape), images, model.preprocessing)
    (scores,) = found.values()
    assert (scores.argmax(axis=1) == labels).mean() >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0"])
def test_random_weights_tell_photographs_apart(name: str) -> None:
    import tf_keras

    model = OmegaConf.load(CONF / "model" / f"{name}.yaml")
    shape = (model.input_size, model.input_size, 3)
    data = photos.load({}, shape, 0)
    tf_keras.utils.set_random_seed(0)
    keras = architectures.build(model.architecture, shape, 1000)
    random_weights.enliven(keras, collect(data.calibration)[0], model.preprocessing)
    found = network.predict(network.from_keras(keras, shape), collect(data.evaluation)[0], model.preprocessing)
    (scores,) = found.values()
    assert len(set(scores.argmax(axis=1))) >= 10
