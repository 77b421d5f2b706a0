"""ONNX Runtime on its CPU execution provider: sequential, with bound and preallocated inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import Unsupported
from harness.runtimes.contract import FloatArray, TensorSpec, from_batch, quantize, single_input, to_batch

READS: tuple[str, ...] = ("onnx",)
PACKAGES: tuple[str, ...] = ("onnxruntime", "numpy")
LIBRARIES: tuple[str, ...] = ("onnxruntime",)

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}


@dataclass
class Options:
    """``batch``: images an invoke."""

    batch: int = field(default=1, metadata={"min": 1, "max": 1024})


class OnnxSession:
    """One inference session, its input and outputs bound to memory that stays."""

    def __init__(self, session: Any, options: Options) -> None:
        self._session, self._batch = session, options.batch
        single_input([one.name for one in session.get_inputs()])
        self.inputs = (_spec(session.get_inputs()[0], options.batch),)
        if self.inputs[0].dtype in ("int8", "uint8"):
            raise Unsupported("an integer input of an ONNX graph has no scale of its own", "unscaled_integer")
        self.outputs = tuple(_spec(one, options.batch) for one in session.get_outputs())
        self._image: NDArray[Any] = np.zeros(self.inputs[0].shape, self.inputs[0].dtype)
        self._binding = self._bind()

    def _bind(self) -> Any:
        """Bind the input to ``self._image``; outputs of known shape to arrays, others to the CPU."""
        binding, entry = self._session.io_binding(), self.inputs[0]
        binding.bind_input(entry.name, "cpu", 0, self._image.dtype.type, entry.shape, self._image.ctypes.data)
        self._arrays: list[NDArray[Any]] = []
        for spec in self.outputs:
            if min(spec.shape, default=0) < 0:
                binding.bind_output(spec.name, "cpu")
                continue
            made: NDArray[Any] = np.empty(spec.shape, spec.dtype)
            self._arrays.append(made)
            binding.bind_output(spec.name, "cpu", 0, made.dtype.type, spec.shape, made.ctypes.data)
        return binding

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """See ``contract.Session``."""
        self.prepare(image)
        self.invoke()
        found = zip(self.outputs, self._binding.copy_outputs_to_cpu(), strict=True)
        return {
            spec.name: from_batch(spec.name, value.astype(np.float32), len(image), self._batch) for spec, value in found
        }

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        self._image[...] = quantize(to_batch(image, self._batch), self.inputs[0])

    def invoke(self) -> None:
        """See ``contract.Session``."""
        self._session.run_with_iobinding(self._binding)

    def coverage(self) -> dict[str, Any]:
        """Nothing: the CPU provider computes every node."""
        return {}


def open_session(artifact: Path, options: Options, threads: int) -> OnnxSession:
    """Load an .onnx file.

    Raises:
        Unsupported: ``fixed_batch`` for another batch than the graph's; ``unscaled_integer``;
            ``unknown_dtype``; ``several_inputs``.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(artifact), settings, providers=["CPUExecutionProvider"])
    return OnnxSession(session, options)


def _spec(value: Any, batch: int) -> TensorSpec:
    """Return the spec of an input or output with the first axis set to ``batch`` where it is free."""
    if value.type not in _DTYPES:
        raise Unsupported(f"'{value.name}' is {value.type}; read: {', '.join(_DTYPES)}", "unknown_dtype")
    shape = [size if isinstance(size, int) else -1 for size in value.shape]
    if shape and shape[0] < 0:
        shape[0] = batch
    if shape and shape[0] != batch:
        raise Unsupported(f"batch {batch}: '{value.name}' is fixed at {value.shape}", "fixed_batch")
    return TensorSpec(value.name, tuple(shape), _DTYPES[value.type])
