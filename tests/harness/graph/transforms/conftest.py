"""Graphs to transform: zoo models, frozen once in a session, and graphs as TensorFlow 1 wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from harness import freezing
from harness.graph.transforms import run, values
from harness.graph.transforms.run import Transformed


@dataclass
class Lab:
    """One graph with its ports and images for its one input."""

    content: Any = field(repr=False)
    images: np.ndarray = field(repr=False)
    input: str = "image"
    outputs: tuple[str, ...] = ("scores",)
    exact: np.ndarray | None = field(default=None, repr=False)
    """What the model gives in float64."""
    _before: list[np.ndarray] = field(default_factory=list, repr=False)

    def transform(self, transforms: str) -> Transformed:
        return run.transform(self.content, [self.input], list(self.outputs), transforms)

    def run(self, content: Any, images: np.ndarray | None = None) -> list[np.ndarray]:
        return values.run(content, {self.input: self.images if images is None else images}, self.outputs)

    def before(self) -> list[np.ndarray]:
        self._before = self._before or self.run(self.content)
        return self._before

    def difference(self, after: Any) -> float:
        """Return the largest absolute difference that the images find."""
        return max(float(np.abs(a - b).max()) for a, b in zip(self.before(), self.run(after), strict=True))

    def spread(self) -> float:
        """Return how much the outputs differ between images: a difference must be small beside it."""
        return min(float(np.ptp(one, axis=0).max()) for one in self.before())

    def error(self, after: Any = None) -> float:
        """Return how far a graph (the given one) is from float64: what float32 arithmetic costs it."""
        found = self.before() if after is None else self.run(after)
        return float(np.abs(found[0] - self.exact).max())


def ops(content: Any) -> Counter[str]:
    """Return operator → count."""
    return Counter(node.op for node in content.node)


def unknown_attributes(content: Any) -> list[str]:
    """Return attributes that the definition of the node's operator has not."""
    from tensorflow.python.framework import op_def_registry

    known = {op: {one.name for one in op_def_registry.get(op).attr} for op in ops(content)}
    return [f"{n.op}.{a}" for n in content.node for a in n.attr if a[0] != "_" and a not in known[n.op]]


SIZE = 64
"""Pixels a side of zoo models. At 32 px random nets make ten times more of a rounding (ResNet50: 1.4e-4, not 8e-6)."""


def zoo_lab(architecture: str, mode: str = "tf", size: int = SIZE) -> Lab:
    """Freeze a zoo model for small photographs and a batch of any size; random weights with live statistics."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from zoo import architectures, preprocessing, random_weights
    from zoo.data import photos

    tf.keras.utils.set_random_seed(0)
    crops = photos.load({"images": 4, "calibration_images": 4}, (size, size, 3), 0).calibration
    images = np.stack([image for image, _ in crops.samples])
    keras = architectures.build(architecture, (size, size, 3), 10)
    random_weights.enliven(keras, images, mode)
    pixels = preprocessing.apply(images, mode)
    spec = tf.TensorSpec((None, size, size, 3), tf.float32, name="image")
    function = tf.function(lambda image: {"scores": keras(image, training=False)}, autograph=False)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
    content = frozen.graph.as_graph_def(add_shapes=True)
    freezing.name_ports(content, {"image": frozen.inputs[0].name}, {"scores": frozen.outputs[0].name})
    return Lab(content, pixels, exact=_in_float64(architecture, keras.get_weights(), pixels))


def _in_float64(architecture: str, weights: list[np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """Return what a model gives when each of its layers computes in float64."""
    import tensorflow as tf

    from zoo import architectures

    tf.keras.backend.set_floatx("float64")
    try:
        keras = architectures.build(architecture, pixels.shape[1:], 10)
        keras.set_weights(weights)
        exact: np.ndarray = keras(pixels.astype(np.float64), training=False).numpy()
    finally:
        tf.keras.backend.set_floatx("float32")
    return exact


@pytest.fixture(scope="session")
def mobilenet() -> Lab:
    """MobileNetV2: 52 batch normalizations, 17 of them behind depthwise convolutions."""
    return zoo_lab("MobileNetV2")


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
