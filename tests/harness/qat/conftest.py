"""Small Keras models, one for each thing that the zoo's families do, and a check that two compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.qat import graph
from harness.qat.graph import Graph

SIZE = 12


def live(model: Any) -> Any:
    """Give every weight, statistics and biases as well, a value that a wrong formula would show."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        low, high = (0.5, 2.0) if "variance" in weight.name else (-0.5, 0.5)
        weight.assign(random.uniform(low, high, weight.shape).astype(weight.dtype.as_numpy_dtype))
    return model


def outputs(model: Any, images: Any) -> list[Any]:
    """Return the outputs of a model as arrays."""
    found = model(images, training=False)
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    return [value.numpy() for value in values]


@pytest.fixture
def same_function() -> Callable[..., Graph]:
    """Return a check that a transform keeps the function of a model; it gives the new graph."""

    def check(model: Any, transform: Callable[[Graph], Graph], *, as_it_is: bool = False) -> Graph:
        images = np.random.default_rng(0).uniform(-1, 1, (3, *model.input_shape[1:])).astype(np.float32)
        found = transform(graph.read(model if as_it_is else live(model)))
        for before, after in zip(outputs(model, images), outputs(graph.build(found), images), strict=True):
            assert np.abs(before).max() > 1e-2  # or else anything would be the same
            assert np.abs(before - after).max() <= 1e-5 * max(1, np.abs(before).max())
        return found

    return check


def kinds(found: Graph) -> list[str]:
    """Return the classes of all layers in order."""
    return [call.kind for call in found.calls]
