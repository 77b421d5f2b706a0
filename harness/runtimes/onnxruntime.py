"""ONNX Runtime on its CPU execution provider: sequential, with bound and preallocated inputs and outputs."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness import processor
from harness.errors import Unsupported
from harness.runtimes.contract import FloatArray, TensorSpec, dequantize, from_batch, quantize, single_input, to_batch

READS: tuple[str, ...] = ("onnx",)
PACKAGES: tuple[str, ...] = ("onnxruntime", "numpy")
LIBRARIES: tuple[str, ...] = ("onnxruntime",)

INTEGER_CONVS = ("QLinearConv", "ConvInteger")
FLOAT_CONVS = ("Conv", "FusedConv")
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}


@dataclass
class Options:
    """``batch``: images an invoke; ``int8_sums``: how products of 8-bit numbers are added on x86 without VNNI."""

    batch: int = field(default=1, metadata={"min": 1, "max": 1024})
    int8_sums: Literal["exact", "saturating"] = "exact"


class OnnxSession:
    """One inference session, its input and outputs bound to memory that stays."""

    def __init__(self, session: Any, options: Options, artifact: Path) -> None:
        self._session, self._options, self._artifact = session, options, artifact
        self._batch = options.batch
        single_input([one.name for one in session.get_inputs()])
        scales = _scales(session)
        self.inputs = (_spec(session.get_inputs()[0], options.batch, scales),)
        if self.inputs[0].dtype in ("int8", "uint8") and self.inputs[0].scale is None:
            raise Unsupported("an integer input of an ONNX graph has no scale of its own", "unscaled_integer")
        self.outputs = tuple(_spec(one, options.batch, scales) for one in session.get_outputs())
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
            spec.name: from_batch(spec.name, dequantize(value, spec), len(image), self._batch) for spec, value in found
        }

    def prepare(self, image: FloatArray) -> None:
        """See ``contract.Session``."""
        self._image[...] = quantize(to_batch(image, self._batch), self.inputs[0])

    def invoke(self) -> None:
        """See ``contract.Session``."""
        self._session.run_with_iobinding(self._binding)

    def coverage(self) -> dict[str, Any]:
        """See ``contract.Session``; from the graph as ONNX Runtime has it after its optimizations, loaded once more."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "optimized.onnx")
            settings = _settings(1, self._options)
            settings.optimized_model_filepath = str(file)
            _session(self._artifact, settings)
            before, after = operators(self._artifact), operators(file)
        return {
            "integer_convs": sum(after[op] for op in INTEGER_CONVS),
            "float_convs": sum(after[op] for op in FLOAT_CONVS),
            "inserted_transposes": max(0, after["Transpose"] - before["Transpose"]),
            "int8_sums": "native" if processor.adds_int8_without_saturation() else self._options.int8_sums,
            "optimized_ops": dict(after.most_common()),
        }


def open_session(artifact: Path, options: Options, threads: int) -> OnnxSession:
    """Load an .onnx file.

    Raises:
        Unsupported: ``fixed_batch`` for another batch than the graph's; ``unscaled_integer``;
            ``unknown_dtype``; ``several_inputs``.
    """
    return OnnxSession(_session(artifact, _settings(threads, options)), options, artifact)


def _session(artifact: Path, settings: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(artifact), settings, providers=["CPUExecutionProvider"])


def _settings(threads: int, options: Options) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = 3
    if options.int8_sums == "exact":
        processor.ask_for_exact_sums(settings)
    return settings


def operators(file: Path) -> Counter[str]:
    """Return operator → how many nodes of a file's main graph."""
    import onnx

    return Counter(node.op_type for node in onnx.load(str(file), load_external_data=False).graph.node)


def _scales(session: Any) -> dict[str, tuple[float, int]]:
    """Return name → scale and zero point of integer inputs and outputs, as the harness writes them into a file."""
    text = session.get_modelmeta().custom_metadata_map.get("harness.ports", "{}")
    return {name: (float(scale), int(zero)) for name, (scale, zero) in json.loads(text).items()}


def _spec(value: Any, batch: int, scales: Mapping[str, tuple[float, int]]) -> TensorSpec:
    """Return the spec of an input or output with the first axis set to ``batch`` where it is free."""
    if value.type not in _DTYPES:
        raise Unsupported(f"'{value.name}' is {value.type}; read: {', '.join(_DTYPES)}", "unknown_dtype")
    shape = [size if isinstance(size, int) else -1 for size in value.shape]
    if shape and shape[0] < 0:
        shape[0] = batch
    if shape and shape[0] != batch:
        raise Unsupported(f"batch {batch}: '{value.name}' is fixed at {value.shape}", "fixed_batch")
    dtype = _DTYPES[value.type]
    scale, zero = scales.get(value.name, (None, None)) if dtype in ("int8", "uint8") else (None, None)
    return TensorSpec(value.name, tuple(shape), dtype, scale, zero)
