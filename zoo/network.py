"""A float model ready to be saved and run: a function from one image batch to named outputs."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo import preprocessing

IMAGE = "image"
"""Name of the input of every zoo model."""
_PIXELS_A_BATCH = 32 * 224 * 224


@dataclass(frozen=True, slots=True)
class Network:
    """One input of float32 (N, H, W, C), any number of float32 outputs (N, …)."""

    call: Callable[[Any], dict[str, Any]]
    """Tensor → name → tensor, in inference mode."""
    variables: list[Any]
    shape: tuple[int, int, int]
    """Height, width, channels."""
    input_name: str = IMAGE
    keras: Any = None
    """The ``tf_keras`` model behind ``call``, where there is one."""
    one_by_one: bool = False
    """True when the batch size is fixed to 1 in the file."""

    @property
    def parameters(self) -> int:
        """Numbers in all variables, trained or not."""
        return sum(int(np.prod(variable.shape)) for variable in self.variables)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all variables in their own types."""
        return sum(int(np.prod(one.shape)) * int(one.dtype.size) for one in self.variables)


def from_keras(model: Any, shape: tuple[int, int, int], input_name: str = IMAGE) -> Network:
    """Wrap a ``tf_keras`` or Keras 3 model with one input, outputs under their own names."""

    def call(image: Any) -> dict[str, Any]:
        return _named(model, model(image, training=False))

    return Network(call, list(model.variables), shape, readable(input_name), model)


def predict(network: Network, images: NDArray[np.uint8], mode: str) -> dict[str, NDArray[np.float32]]:
    """Run on all of ``images`` (uint8 (N, H, W, C), may be a memory map), a batch at a time.

    Returns one float32 array (N, …) for each output.
    """
    import tensorflow as tf

    height, width, _ = network.shape
    size = 1 if network.one_by_one else max(1, min(64, _PIXELS_A_BATCH // (height * width)))
    signature = tf.TensorSpec((1 if network.one_by_one else None, *network.shape), tf.float32)
    function = tf.function(network.call, input_signature=[signature], autograph=False)
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, len(images), size):
        pixels = preprocessing.apply(images[start : start + size], mode)
        for name, value in function(tf.constant(pixels)).items():
            parts.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def save_outputs(path: Path, arrays: dict[str, NDArray[np.float32]]) -> None:
    """Write outputs by name as ``.npz``.

    ``np.savez`` takes names as keyword arguments and so cannot write one called ``file``.
    """
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def readable(name: str) -> str:
    """``name`` without what TensorFlow cannot keep in the name of a signature's input."""
    cleaned = re.sub(r"\W", "_", name.partition(":")[0])
    return cleaned if cleaned[:1].isalpha() else f"input_{cleaned}"


def _named(model: Any, results: Any) -> dict[str, Any]:
    """Outputs by name: the keys of a dict, else the names of the layers they come from, made unique."""
    import tensorflow as tf

    if isinstance(results, dict):
        names = [str(name) for name in results]
        values = list(results.values())
    else:
        values = tf.nest.flatten(results)
        names = [str(name) for name in getattr(model, "output_names", [])]
    if len(names) != len(values):
        names = [f"output_{number}" for number in range(len(values))]
    unique: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        number, label = 0, name
        while label in unique:
            number += 1
            label = f"{name}_{number}"
        unique[label] = tf.cast(value, tf.float32)
    return unique
