"""LiteRT's interpreter: built-in kernels, the XNNPACK delegate, or the reference kernels.

``Interpreter(model_content=…)`` and nothing else: on a broken file it raises, where the others crash. The
signature runner is used for no run: it resizes and allocates at every call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness import litert_library
from harness.errors import Unsupported
from harness.runtimes.contract import (
    FloatArray,
    TensorSpec,
    dequantize,
    from_batch,
    quantize,
    single_input,
    to_batch,
)

READS: tuple[str, ...] = ("tflite",)
PACKAGES: tuple[str, ...] = ("ai-edge-litert", "numpy")
INSTEAD = litert_library.INSTEAD
LIBRARIES: tuple[str, ...] = (litert_library.name("interpreter"),)

_RESOLVERS = {"none": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO", "reference": "BUILTIN_REF"}


@dataclass
class Options:
    """``delegate``: who computes; ``batch``: images an invoke."""

    delegate: Literal["none", "xnnpack", "reference"] = "none"
    batch: int = field(default=1, metadata={"min": 1, "max": 1024})


class LiteRtSession:
    """One interpreter with its tensors allocated for ``options.batch`` images."""

    def __init__(self, interpreter: Any, options: Options) -> None:
        self._interpreter, self._options = interpreter, options
        self.inputs, input_indices = _ports(interpreter, "inputs")
        single_input([spec.name for spec in self.inputs])
        self._input = input_indices[0]
        self.outputs, self._outputs = _ports(interpreter, "outputs")

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """See ``contract.Session``."""
        self.prepare(image)
        self._interpreter.invoke()
        batch = self._options.batch
        return {
            spec.name: from_batch(spec.name, self._read(index, spec), len(image), batch)
            for spec, index in zip(self.outputs, self._outputs, strict=True)
        }

    def _read(self, index: int, spec: TensorSpec) -> FloatArray:
        return dequantize(self._interpreter.get_tensor(index), spec)

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        images = to_batch(image, self._options.batch)
        self._interpreter.set_tensor(self._input, quantize(images, self.inputs[0]))

    def invoke(self) -> None:
        """See ``contract.Session``."""
        self._interpreter.invoke()

    def coverage(self) -> dict[str, Any]:
        """See ``contract.Session``; read from the interpreter's node list, which is not public."""
        if self._options.delegate != "xnnpack":
            return {}
        try:
            nodes = self._interpreter._get_ops_details()
            return covered(nodes)
        except (AttributeError, KeyError, TypeError) as error:
            return {"reason": f"this LiteRT does not show its nodes as expected: {error!r}"}


def open_session(artifact: Path, options: Options, threads: int) -> LiteRtSession:
    """Load a .tflite file.

    Raises:
        ValueError, RuntimeError: LiteRT's own words, for a broken file or a graph that it refuses.
        Unsupported: ``several_inputs``; ``batch_resize`` for a batch that the graph does not take.
    """
    library = litert_library.load("interpreter")
    interpreter = library.Interpreter(
        model_content=artifact.read_bytes(),
        experimental_op_resolver_type=library.OpResolverType[_RESOLVERS[options.delegate]],
        num_threads=threads,
    )
    if options.batch != 1:
        _resize(interpreter, options.batch)
    interpreter.allocate_tensors()
    return LiteRtSession(interpreter, options)


def _resize(interpreter: Any, batch: int) -> None:
    """Give the input a new batch and see that the graph follows.

    A graph converted at batch 1 may hold the 1 in constants, as in a RESHAPE to [1, 64, 128]
    (tensorflow#23399). Some fail only when they run, so it runs once; that time is part of ``load_ms`` then.
    """
    details = interpreter.get_input_details()
    single_input([one["name"] for one in details])
    shape = [batch, *(int(size) for size in details[0]["shape"][1:])]
    try:
        interpreter.resize_tensor_input(details[0]["index"], shape)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise Unsupported(f"batch {batch}: {error}", "batch_resize") from error
    for output in interpreter.get_output_details():
        found = tuple(int(size) for size in output["shape"])
        if found[:1] != (batch,):
            raise Unsupported(f"batch {batch}: output '{output['name']}' keeps shape {found}", "batch_resize")


def _ports(interpreter: Any, side: Literal["inputs", "outputs"]) -> tuple[tuple[TensorSpec, ...], list[int]]:
    """Return specs and tensor indices of a side; the tensors' own names where there is no signature."""
    signatures = interpreter.get_signature_list()
    if signatures:
        key = "serving_default" if "serving_default" in signatures else next(iter(signatures))
        runner = interpreter.get_signature_runner(key)
        details = runner.get_input_details() if side == "inputs" else runner.get_output_details()
    else:
        plain = interpreter.get_input_details() if side == "inputs" else interpreter.get_output_details()
        details = {one["name"]: one for one in plain}
    return tuple(_spec(name, one) for name, one in details.items()), [int(one["index"]) for one in details.values()]


def _spec(name: str, details: dict[str, Any]) -> TensorSpec:
    parameters = details["quantization_parameters"]
    scaled = len(parameters["scales"]) == 1 and np.dtype(details["dtype"]).kind in "iu"
    return TensorSpec(
        name=name,
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(parameters["scales"][0]) if scaled else None,
        zero_point=int(parameters["zero_points"][0]) if scaled else None,
    )


def covered(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a delegate took, from nodes with ``op_name``, ``inputs`` and ``outputs`` (tensor numbers).

    The original nodes stay in the list beside the delegate's. Those on the way back from a delegate's
    outputs to its inputs are its own; what is left runs in built-in kernels.
    """
    delegates = [node for node in nodes if "DELEGATE" in node["op_name"].upper()]
    originals = [node for node in nodes if "DELEGATE" not in node["op_name"].upper()]
    producer = {int(tensor): i for i, node in enumerate(originals) for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in delegates:
        taken |= _between(originals, producer, delegate)
    outside = Counter(node["op_name"] for i, node in enumerate(originals) if i not in taken)
    return {
        "delegate_applied": bool(delegates),
        "partitions": len(delegates),
        "undelegated_ops": sum(outside.values()),
        "undelegated": dict(outside.most_common()),
    }


def _between(nodes: list[dict[str, Any]], producer: dict[int, int], delegate: dict[str, Any]) -> set[int]:
    """Return the positions of the nodes between a delegate's outputs and its inputs."""
    stop = {int(tensor) for tensor in delegate["inputs"]}
    waiting = [int(tensor) for tensor in delegate["outputs"]]
    found: set[int] = set()
    while waiting:
        tensor = waiting.pop()
        index = producer.get(tensor)
        if index is None or index in found or tensor in stop:
            continue
        found.add(index)
        waiting += [int(one) for one in nodes[index]["inputs"]]
    return found
