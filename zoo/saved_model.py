"""SavedModels of the zoo: a bare ``tf.Module``, one batch-1 signature, every output under its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.network import Network, readable

SIGNATURE = "serving_default"


def save(network: Network, folder: Path) -> dict[str, tuple[int, ...]]:
    """Save ``network`` with float32 input (1, H, W, C) and return output name → shape (1, …).

    The module holds the variables and one concrete function. Keras' own saving writes every layer's
    functions as well and takes seven times as long.
    """
    import tensorflow as tf

    def call(image: Any) -> dict[str, Any]:
        # identity keeps an output's name apart from that of a tensor that is also another output
        return {name: tf.identity(value, name=readable(name)) for name, value in network.call(image).items()}

    module = tf.Module()
    module.kept = network.variables
    function = tf.function(call, autograph=False).get_concrete_function(
        tf.TensorSpec((1, *network.shape), tf.float32, name=network.input_name)
    )
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: function})
    return {name: tuple(spec.shape.as_list()) for name, spec in function.structured_outputs.items()}


def load(folder: Path) -> Any:
    """Load a SavedModel; its ``signatures["serving_default"](**{input: tensor})`` gives a dict."""
    import tensorflow as tf

    return tf.saved_model.load(str(folder))


def run(loaded: Any, input_name: str, image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Run a loaded SavedModel on float32 (1, H, W, C)."""
    import tensorflow as tf

    results = loaded.signatures[SIGNATURE](**{input_name: tf.constant(image)})
    return {name: np.asarray(value) for name, value in results.items()}
