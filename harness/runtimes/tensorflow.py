"""TensorFlow itself: the signature of a SavedModel (the baseline), or a frozen graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageFailed, Unsupported
from harness.graph import graph_def
from harness.runtimes.contract import FloatArray, TensorSpec, from_batch, quantize, single_input, to_batch

READS: tuple[str, ...] = ("saved_model", "frozen")
PACKAGES: tuple[str, ...] = ("tensorflow", "numpy")
LIBRARIES: tuple[str, ...] = ("tensorflow",)


@dataclass
class Options:
    """``batch``: images an invoke."""

    batch: int = field(default=1, metadata={"min": 1, "max": 1024})


@dataclass(frozen=True, slots=True)
class Loaded:
    """One function of one image, whatever it was loaded from."""

    name: str
    image: Any
    """Shape and dtype of the input."""
    outputs: Mapping[str, Any]
    """Name → shape and dtype."""
    call: Callable[[Any], dict[str, Any]]
    keeps: Any = None
    """Holds the variables that the function only refers to."""


class TensorFlowSession:
    """One function; ``prepare`` makes the tensor once, ``invoke`` waits for the result."""

    def __init__(self, loaded: Loaded, options: Options) -> None:
        self._loaded, self._call = loaded, loaded.call
        self._batch = options.batch
        self.inputs = (_spec(loaded.name, loaded.image, options.batch),)
        self.outputs = tuple(_spec(key, one, options.batch) for key, one in loaded.outputs.items())
        self._first = self.outputs[0].name
        self._image: Any = None

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """See ``contract.Session``."""
        self.prepare(image)
        results = self._call(self._image)
        return {
            key: from_batch(key, np.asarray(value).astype(np.float32), len(image), self._batch)
            for key, value in results.items()
        }

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        import tensorflow as tf

        self._image = tf.constant(quantize(to_batch(image, self._batch), self.inputs[0]))

    def invoke(self) -> None:
        """See ``contract.Session``; reading one output waits for all: they are results of one function."""
        self._call(self._image)[self._first].numpy()

    def coverage(self) -> dict[str, Any]:
        """Nothing: TensorFlow has no delegate."""
        return {}


def open_session(artifact: Path, options: Options, threads: int) -> TensorFlowSession:
    """Load a SavedModel folder, or a frozen graph from a file.

    Raises:
        Unsupported: ``fixed_batch``, ``several_inputs``, ``no_signature``, or ``no_output``.
        StageFailed: ``broken_file``; ``threads_fixed``, when TensorFlow already runs here with other threads.
    """
    set_threads(threads)
    return TensorFlowSession(_saved_model(artifact) if artifact.is_dir() else _frozen(artifact), options)


def set_threads(threads: int) -> None:
    """Set the threads inside an op; ops run one after the other. Only before TensorFlow's first op."""
    from tensorflow.config import threading

    wanted = (threads, 1)
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise StageFailed(f"TensorFlow already runs here with other threads than {wanted}", "threads_fixed") from error


def _saved_model(folder: Path) -> Loaded:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    function = _signature(loaded)
    _, keywords = function.structured_input_signature
    name = single_input(list(keywords))

    def call(image: Any) -> dict[str, Any]:
        results: dict[str, Any] = function(**{name: image})
        return results

    return Loaded(name, keywords[name], function.structured_outputs, call, loaded)


def _signature(loaded: Any) -> Any:
    names = list(loaded.signatures)
    if not names:
        raise Unsupported("the SavedModel has no signature", "no_signature")
    return loaded.signatures["serving_default" if "serving_default" in names else names[0]]


def _frozen(file: Path) -> Loaded:
    """Import a graph as a function; its placeholder is the image, what nobody reads are the outputs."""
    import tensorflow as tf

    content = graph_def.load(file)
    name, results = single_input(graph_def.inputs(content)), graph_def.outputs(content)
    if not results:
        raise Unsupported(f"{file.name} computes nothing", "no_output")
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(content, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    image, outputs = tensor(f"{name}:0"), {key: tensor(f"{key}:0") for key in results}
    return Loaded(name, image, outputs, wrapped.prune(image, outputs), wrapped)


def _spec(name: str, tensor: Any, batch: int) -> TensorSpec:
    shape = [-1 if size is None else int(size) for size in tensor.shape]
    if shape and shape[0] < 0:
        shape[0] = batch
    if shape and shape[0] != batch:
        raise Unsupported(f"batch {batch}: '{name}' is fixed at {tuple(tensor.shape)}", "fixed_batch")
    return TensorSpec(name, tuple(shape), tensor.dtype.name)
