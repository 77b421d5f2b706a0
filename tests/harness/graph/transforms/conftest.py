"""Graphs to transform: zoo models, frozen once in a session, and graphs as TensorFlow 1 wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import freezing, graph
from harness.graph.transforms import values
from harness.graph.transforms.run import Transformed


@dataclass
class Lab:
    """One graph with its ports and images for its one input."""

    content: Any
    images: np.ndarray
    input: str = "image"
    outputs: tuple[str, ...] = ("scores",)
    _before: list[np.ndarray] = field(default_factory=list)

    def transform(self, transforms: str) -> Transformed:
        return graph.transform(self.content, [self.input], list(self.outputs), transforms)

    def run(self, content: Any, images: np.ndarray | None = None) -> list[np.ndarray]:
        return values.run(content, {self.input: self.images if images is None else images}, self.outputs)

    def difference(self, after: Any) -> float:
        """Return the largest absolute difference that the images find."""
        self._before = self._before or self.run(self.content)
        return max(float(np.abs(a - b).max()) for a, b in zip(self._before, self.run(after), strict=True))

    def spread(self) -> float:
        """Return how much the outputs differ between images: a difference must be small beside it."""
        self._before = self._before or self.run(self.content)
        return min(float(np.ptp(one, axis=0).max()) for one in self._before)


def ops(content: Any) -> Counter[str]:
    """Return operator → count."""
    return Counter(node.op for node in content.node)


def zoo_lab(architecture: str, folder: Path) -> Lab:
    """Freeze a zoo model for 32×32 pictures and a batch of any size; random weights with live statistics."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from zoo import architectures, random_weights

    tf.keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    keras = architectures.build(architecture, (32, 32, 3), 10)
    random_weights.enliven(keras, images, "tf")
    spec = tf.TensorSpec((None, 32, 32, 3), tf.float32, name="image")
    function = tf.function(lambda image: {"scores": keras(image, training=False)}, autograph=False)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
    content = frozen.graph.as_graph_def(add_shapes=True)
    freezing.name_ports(content, {"image": frozen.inputs[0].name}, {"scores": frozen.outputs[0].name})
    return Lab(content, (images / 127.5 - 1).astype(np.float32))


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """MobileNetV2: 52 batch normalizations, 17 of them behind depthwise convolutions."""
    return zoo_lab("MobileNetV2", tmp_path_factory.mktemp("mobilenet"))


@pytest.fixture(scope="session")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """ResNet50: 53 batch normalizations behind convolutions with a bias."""
    return zoo_lab("ResNet50", tmp_path_factory.mktemp("resnet"))


def tf1(build: Callable[[Any], Any], shape: tuple[int, ...] = (2, 6, 6, 3), producer: int | None = None) -> Lab:
    """Return the graph of ``build``, which gets a placeholder ``image`` and returns what ``scores`` shall be."""
    import tensorflow as tf

    with tf.Graph().as_default() as made:
        tf.compat.v1.set_random_seed(1)
        tf.identity(build(tf.compat.v1.placeholder(tf.float32, shape, "image")), "scores")
    content = made.as_graph_def()
    if producer is not None:
        content.versions.producer = producer
    images = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return Lab(content, images)


def numbers(*shape: int, low: float = -1.0, high: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
