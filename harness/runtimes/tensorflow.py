"""TensorFlow itself on the SavedModel's signature: the baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageFailed, Unsupported
from harness.runtimes.contract import FloatArray, TensorSpec, from_batch, quantize, single_input, to_batch

READS: tuple[str, ...] = ("saved_model",)
PACKAGES: tuple[str, ...] = ("tensorflow", "numpy")
LIBRARIES: tuple[str, ...] = ("tensorflow",)


@dataclass
class Options:
    """``batch``: images an invoke."""

    batch: int = field(default=1, metadata={"min": 1, "max": 1024})


class TensorFlowSession:
    """One signature; ``prepare`` makes the tensor once, ``invoke`` waits for the result."""

    def __init__(self, loaded: Any, options: Options) -> None:
        self._loaded = loaded  # holds the variables that the signature only refers to
        self._function = _signature(loaded)
        self._batch = options.batch
        _, keywords = self._function.structured_input_signature
        name = single_input(list(keywords))
        self.inputs = (_spec(name, keywords[name], options.batch),)
        outputs = self._function.structured_outputs
        self.outputs = tuple(_spec(key, outputs[key], options.batch) for key in outputs)
        self._first = self.outputs[0].name
        self._arguments: dict[str, Any] = {}

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """See ``contract.Session``."""
        self.prepare(image)
        results = self._function(**self._arguments)
        return {
            key: from_batch(key, np.asarray(value).astype(np.float32), len(image), self._batch)
            for key, value in results.items()
        }

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        import tensorflow as tf

        entry = self.inputs[0]
        self._arguments = {entry.name: tf.constant(quantize(to_batch(image, self._batch), entry))}

    def invoke(self) -> None:
        """See ``contract.Session``; reading one output waits for all: they are results of one function."""
        self._function(**self._arguments)[self._first].numpy()

    def coverage(self) -> dict[str, Any]:
        """Nothing: TensorFlow has no delegate."""
        return {}


def open_session(artifact: Path, options: Options, threads: int) -> TensorFlowSession:
    """Load a SavedModel folder.

    Raises:
        Unsupported: ``fixed_batch``, ``several_inputs``, or ``no_signature``.
        StageFailed: ``threads_fixed``, when TensorFlow already runs in this process with other threads.
    """
    import tensorflow as tf

    set_threads(threads)
    return TensorFlowSession(tf.saved_model.load(str(artifact)), options)


def set_threads(threads: int) -> None:
    """Set the threads inside an op; ops run one after the other. Only before TensorFlow's first op."""
    from tensorflow.config import threading

    wanted = (threads, 1)
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise StageFailed(f"TensorFlow already runs here with other threads than {wanted}", "threads_fixed") from error


def _signature(loaded: Any) -> Any:
    names = list(loaded.signatures)
    if not names:
        raise Unsupported("the SavedModel has no signature", "no_signature")
    return loaded.signatures["serving_default" if "serving_default" in names else names[0]]


def _spec(name: str, tensor: Any, batch: int) -> TensorSpec:
    shape = [-1 if size is None else int(size) for size in tensor.shape]
    if shape and shape[0] < 0:
        shape[0] = batch
    if shape and shape[0] != batch:
        raise Unsupported(f"batch {batch}: '{name}' is fixed at {tuple(tensor.shape)}", "fixed_batch")
    return TensorSpec(name, tuple(shape), tensor.dtype.name)
