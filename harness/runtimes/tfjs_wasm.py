"""TensorFlow.js in Node: a graph model on the WebAssembly backend, which computes in one thread there.

Node times itself, around ``model.execute`` and the reading of all outputs: what goes between the processes is in no
sample. Outputs are asked for by their names in the signature, because their order may change (tfjs#8204).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageFailed, Unsupported
from harness.node import packages
from harness.node import process as node
from harness.runtimes.contract import (
    Elsewhere,
    FloatArray,
    TensorSpec,
    from_batch,
    quantize,
    single_input,
    to_batch,
)

READS: tuple[str, ...] = ("tfjs",)
PACKAGES: tuple[str, ...] = ("numpy",)
LIBRARIES: tuple[str, ...] = ("harness.node.packages",)
_DTYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool",
           "float32": "float32", "int32": "int32", "bool": "bool"}  # fmt: skip


@dataclass
class Options:
    """``simd``: with WebAssembly's vector instructions; ``batch``: images an invoke."""

    simd: bool = True
    batch: int = field(default=1, metadata={"min": 1, "max": 1024})


@functools.cache
def machine() -> dict[str, Any]:
    """Return what decides a result besides the files: the version of Node, the pinned packages and the script."""
    try:
        found = node.version(packages.node())
    except Unsupported:
        found = None
    return {"node": found, "packages": packages.digest()}


@dataclass(slots=True)
class _Spent:
    """What all runs so far have taken."""

    wall_ns: int = 0
    cpu_ns: int = 0


class TfjsSession:
    """One model in one Node process; ``prepare`` sends the image once, ``invoke`` waits for the outputs there."""

    def __init__(self, process: node.Node, about: dict[str, Any], versions: dict[str, str], batch: int) -> None:
        self._process, self._batch = process, batch
        self.inputs = (_spec(_named(about["inputs"]), batch),)
        self.outputs = tuple(_spec(one, batch) for one in about["outputs"])
        self._names = [one.name for one in self.outputs]
        self._spent = spent = _Spent()
        load_ms = about["load_ns"] / 1e6
        self.elsewhere = Elsewhere(process.pid, load_ms, lambda: spent.wall_ns, lambda: spent.cpu_ns, versions)

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """See ``contract.Session``."""
        self.prepare(image)
        self.invoke()
        answer, raw = self._process.ask("get")
        found = _arrays(answer["outputs"], raw)
        return {name: from_batch(name, value, len(image), self._batch) for name, value in found.items()}

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        entry = self.inputs[0]
        values = quantize(to_batch(image, self._batch), entry)
        self._process.ask("set", values.tobytes(), name=entry.name, shape=list(values.shape), dtype=entry.dtype)

    def invoke(self) -> None:
        """See ``contract.Session``; moves the clocks of ``elsewhere``."""
        answer, _ = self._process.ask("run", outputs=self._names)
        self._spent.wall_ns += int(answer["wall_ns"])
        self._spent.cpu_ns += int(answer["cpu_ns"])

    def coverage(self) -> dict[str, Any]:
        """Nothing: there is no delegate."""
        return {}


def open_session(artifact: Path, options: Options, threads: int) -> TfjsSession:
    """Load a graph model: a model.json with its shards beside it, or their folder.

    Raises:
        Unsupported: ``node_missing``, ``packages_missing``; ``threads``; ``no_simd``; ``fixed_batch``;
            ``several_inputs``; ``unknown_dtype``.
        NodeError, MemoryError, Crashed, StageFailed: see ``Node.ask``.
    """
    if threads != 1:
        raise Unsupported(f"{threads} threads: in Node the wasm backend computes in one", "threads")
    process = node.Node(packages.command(packages.ensure()))
    started, _ = process.ask("start", simd=options.simd)
    if options.simd and not started["simd"]:
        raise Unsupported("this Node has no vector instructions in WebAssembly", "no_simd")
    file = artifact / "model.json" if artifact.is_dir() else artifact
    about, _ = process.ask("load", file=str(file.absolute()))
    return TfjsSession(process, about, started["versions"], options.batch)


def _named(inputs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    single_input([one["name"] for one in inputs])
    return inputs[0]


def _spec(port: dict[str, Any], batch: int) -> TensorSpec:
    name, dtype = str(port["name"]), _DTYPES.get(port["dtype"])
    if dtype is None:
        raise Unsupported(f"'{name}' is {port['dtype']}; read: {', '.join(_DTYPES)}", "unknown_dtype")
    shape = [-1, -1] if port["shape"] is None else [int(size) for size in port["shape"]]
    if shape and shape[0] < 0:
        shape[0] = batch
    if shape and shape[0] != batch:
        raise Unsupported(f"batch {batch}: '{name}' is fixed at {tuple(shape)}", "fixed_batch")
    return TensorSpec(name, tuple(shape), dtype)


def _arrays(outputs: Sequence[dict[str, Any]], raw: bytes) -> dict[str, FloatArray]:
    """Cut what Node sent into outputs. Raises ``StageFailed`` (``bad_answer``) when it does not come out even."""
    values = np.frombuffer(raw, np.float32)
    sizes = [int(np.prod(one["shape"])) for one in outputs]
    if sum(sizes) != values.size:
        raise StageFailed(f"Node sent {values.size} numbers for outputs of {sizes}", "bad_answer")
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return {one["name"]: part.reshape(one["shape"]) for one, part in zip(outputs, parts, strict=True)}
