"""Run a model file of any format once, with any number of inputs and outputs, under the names of its graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import plugins, processor
from harness.graph.model import Graph, Tensor
from harness.graph.ports.pairs import Run, Values


def runner(path: Path, graph: Graph) -> Run | None:
    """Return what runs the file, which it loads when it is first called; None for a format that nothing runs."""
    makers: dict[str, Callable[[Path, Graph], Run]] = {
        "tflite": _tflite,
        "onnx": _onnx,
        "saved_model": _saved_model,
        "frozen": _frozen,
        "keras": _keras,
    }
    maker = makers.get(graph.format) or _plugged(graph.format)
    if maker is None:
        return None
    loaded = cache(lambda: maker(path, graph))

    def run(values: Values) -> Values:
        return loaded()(values)

    return run


def _plugged(format: str) -> Callable[[Path, Graph], Run] | None:
    """Return what runs a format through the first runtime plug-in that reads it: models of one image."""
    found = (plugins.load("runtimes", name) for name in plugins.names("runtimes"))
    runtime = next((one for one in found if format in one.READS), None)
    if runtime is None:
        return None

    def make(path: Path, graph: Graph) -> Run:
        session = runtime.open_session(path, runtime.Options(), 1)
        (name,) = graph.inputs
        return lambda values: session.run(values[name].astype(np.float32))

    return make


def _stored(values: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """Return real values as the input stores them."""
    if not tensor.scales:
        return values.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    numbers = np.rint(values / tensor.scales[0]) + tensor.zero_points[0]
    stored: NDArray[Any] = np.clip(numbers, limits.min, limits.max).astype(tensor.dtype)
    return stored


def _real(stored: Any, tensor: Tensor) -> NDArray[Any]:
    """Return what an output stores as real values."""
    values = np.asarray(stored)
    if not tensor.scales or values.dtype.kind == "f":
        return values.astype(np.float64)
    return (values.astype(np.float64) - tensor.zero_points[0]) * tensor.scales[0]


def _named(graph: Graph, found: dict[str, Any]) -> Values:
    return {name: _real(found[name], graph.tensors[number]) for name, number in graph.outputs.items()}


def _tflite(path: Path, graph: Graph) -> Run:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=path.read_bytes(), experimental_op_resolver_type=plain)

    def run(values: Values) -> Values:
        for name, number in graph.inputs.items():
            if tuple(interpreter.get_tensor_details()[number]["shape"]) != values[name].shape:
                interpreter.resize_tensor_input(number, values[name].shape)
        interpreter.allocate_tensors()
        for name, number in graph.inputs.items():
            interpreter.set_tensor(number, _stored(values[name], graph.tensors[number]))
        interpreter.invoke()
        return _named(graph, {name: interpreter.get_tensor(number) for name, number in graph.outputs.items()})

    return run


def _onnx(path: Path, graph: Graph) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    processor.ask_for_exact_sums(options)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(values: Values) -> Values:
        given = {name: _stored(values[name], graph.tensors[number]) for name, number in graph.inputs.items()}
        names = list(graph.outputs)
        return _named(graph, dict(zip(names, session.run(names, given), strict=True)))

    return run


def _saved_model(path: Path, graph: Graph) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path if path.is_dir() else path.parent))
    function = loaded.signatures["serving_default"]

    def run(values: Values) -> Values:
        given = {k: tf.constant(_stored(values[k], graph.tensors[number])) for k, number in graph.inputs.items()}
        return _named(graph, function(**given)) if loaded is not None else {}

    return run


def _frozen(path: Path, graph: Graph) -> Run:
    import tensorflow as tf

    from harness.graph import graph_def

    content = graph_def.load(path)
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(content, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    inputs = list(graph.inputs)
    function = wrapped.prune([tensor(f"{n}:0") for n in inputs], {n: tensor(f"{n}:0") for n in graph.outputs})

    def run(values: Values) -> Values:
        given = [tf.constant(_stored(values[n], graph.tensors[graph.inputs[n]])) for n in inputs]
        return _named(graph, function(*given)) if wrapped is not None else {}

    return run


def _keras(path: Path, graph: Graph) -> Run:
    """Load through the zoo, which refuses files that run code and takes models of one image."""
    import tensorflow as tf

    from zoo import custom

    (name,) = graph.inputs

    def run(values: Values) -> Values:
        height, width, channels = values[name].shape[1:]
        network = custom.load({"path": str(path), "trust": False}, (height, width, channels))
        results = list(network.call(tf.constant(values[name])).values())
        return _named(graph, dict(zip(graph.outputs, results, strict=True)))

    return run
