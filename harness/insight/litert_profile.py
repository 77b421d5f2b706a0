"""LiteRT's profiler, reached through the C API that the wheel's own library exports.

There is no Python call for it. The C API is not stable, so nothing is called unless every symbol is there and the
version is one that this was tried with.
"""

from __future__ import annotations

import contextlib
import ctypes as C
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import Unsupported
from harness.insight.profiles import Event

TRIED = ("2.3.",)
"""Versions of ai-edge-litert whose structures are those below."""
KERNEL_MODES = {"xnnpack": "", "none": 'kernel_mode = "builtin"\n', "reference": 'kernel_mode = "reference"\n'}
"""Delegate of our runtime → option of LiteRT's CPU accelerator."""
_CPU = 1
_OPERATOR, _DELEGATED = 2, 8


class _Layout(C.Structure):
    _fields_ = [("bits", C.c_uint32), ("dims", C.c_int32 * 8), ("strides", C.c_uint32 * 8)]


class _Ranked(C.Structure):
    _fields_ = [("dtype", C.c_int32), ("layout", _Layout)]


class _Memory(C.Structure):
    _fields_ = [("peak", C.c_size_t), ("allocated", C.c_size_t), ("used", C.c_size_t)]


class _Event(C.Structure):
    _fields_ = [
        ("tag", C.c_char_p), ("kind", C.c_int32), ("start_us", C.c_uint64), ("elapsed_us", C.c_uint64),
        ("before", _Memory), ("after", _Memory), ("first", C.c_uint64), ("second", C.c_uint64), ("source", C.c_int32),
    ]  # fmt: skip


def profile(path: Path, delegate: str, threads: int, runs: int, warm_up: int) -> list[Event]:
    """Return the events of ``runs`` inferences, after some that do not count; inputs are what the buffers hold.

    Raises:
        Unsupported: ``no_profile``, with this version of LiteRT, or for a delegate that it does not know.
    """
    version = importlib.metadata.version("ai-edge-litert")
    if not version.startswith(TRIED):
        raise Unsupported(f"LiteRT {version}: its C API was tried with {', '.join(TRIED)}x only", "no_profile")
    if delegate not in KERNEL_MODES:
        raise Unsupported(f"no profile for the delegate {delegate}", "no_profile")
    try:
        run = _Run(path, KERNEL_MODES[delegate], threads)
        for _ in range(warm_up):
            run()
        with run.profiled() as events:
            for _ in range(runs):
                run()
        return list(_read(events, path, delegate))
    except (OSError, AttributeError, _Status) as error:
        raise Unsupported(f"LiteRT {version} does not profile: {error}", "no_profile") from error


def _read(events: list[tuple[str, int, int, int]], path: Path, delegate: str) -> Iterator[Event]:
    """Yield operators; each run begins with an event of its own, delegated operators are told by their kind."""
    from harness.graph import tflite

    nodes = [node for node in tflite.read(path).nodes if not node.scope]
    run, position = -1, 0
    for tag, kind, elapsed_us, index in events:
        if tag == "Invoke" and kind not in (_OPERATOR, _DELEGATED):
            run, position = (run + 1, 0) if kind == 1 else (run, position)
        if kind not in (_OPERATOR, _DELEGATED):
            continue
        own = kind == _OPERATOR and index < len(nodes)
        name = nodes[index].name if own else f"#{index}"
        yield Event(run, position, tag, name, delegate if kind == _DELEGATED else "", float(elapsed_us))
        position += 1


class _Status(RuntimeError):
    """A call that did not succeed."""


class _Run:
    """A compiled model with buffers for its inputs and outputs; a call is an inference."""

    def __init__(self, path: Path, kernels: str, threads: int) -> None:
        import ai_edge_litert

        self._library = C.CDLL(str(Path(str(ai_edge_litert.__file__)).parent / "libLiteRt.so"))
        self._system = C.CDLL(None)
        self._system.strdup.restype, self._system.strdup.argtypes = C.c_void_p, [C.c_char_p]
        self._environment = self._made("CreateEnvironment", 0, None)
        self._file = self._made("CreateModelFromFile", self._environment, str(path).encode())
        options = self._made("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, C.c_int(_CPU))
        for name, text in {
            "runtime_options_string": "enable_profiling = true\n",
            "xnnpack": f"{kernels}num_threads = {threads}\n",
        }.items():
            self._call("AddOpaqueOptions", options, self._opaque(name, text))
        self._model = self._made("CreateCompiledModel", self._environment, self._file, options)
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")

    def __call__(self) -> None:
        """Run once."""
        sizes = [C.c_size_t(len(one)) for one in (self._inputs, self._outputs)]
        self._call("RunCompiledModel", self._model, C.c_size_t(0), sizes[0], self._inputs, sizes[1], self._outputs)

    @contextlib.contextmanager
    def profiled(self) -> Iterator[list[tuple[str, int, int, int]]]:
        """Note (tag, kind, µs, index) of all that runs in between; the list is filled at the end."""
        found: list[tuple[str, int, int, int]] = []
        profiler = self._made("CompiledModelGetProfiler", self._model)
        if not profiler.value:
            raise _Status("there is no profiler")
        self._call("StartProfiler", profiler)
        yield found
        self._call("StopProfiler", profiler)
        count = C.c_int()
        self._call("GetNumProfilerEvents", profiler, C.byref(count))
        events = (_Event * count.value)()
        self._call("GetProfilerEvents", profiler, count, events)
        found += [((one.tag or b"").decode(errors="replace"), one.kind, one.elapsed_us, one.first) for one in events]

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{name}")(*arguments)
        if status:
            raise _Status(f"LiteRt{name} gave status {status}")

    def _made(self, name: str, *arguments: Any) -> Any:
        made = C.c_void_p()
        self._call(name, *arguments, C.byref(made))
        return made

    def _opaque(self, name: str, text: str) -> Any:
        """Return options as text, which LiteRT frees by itself."""
        free = C.cast(self._system.free, C.c_void_p)
        content = C.c_void_p(self._system.strdup(text.encode()))
        return self._made("CreateOpaqueOptions", C.c_char_p(name.encode()), content, free)

    def _buffers(self, side: str) -> Any:
        signature = self._made("GetModelSignature", self._file, C.c_size_t(0))
        count = C.c_size_t()
        self._call(f"GetNumSignature{side}s", signature, C.byref(count))
        made = (C.c_void_p * count.value)()
        for index in range(count.value):
            made[index] = self._buffer(side, index, signature).value
        return made

    def _buffer(self, side: str, index: int, signature: Any) -> Any:
        tensor = self._made(f"GetSignature{side}TensorByIndex", signature, C.c_size_t(index))
        ranked = _Ranked()
        self._call("GetRankedTensorType", tensor, C.byref(ranked))
        for axis in range(ranked.layout.bits & 127):
            ranked.layout.dims[axis] = max(1, ranked.layout.dims[axis])
        sizes = C.c_size_t(0), C.c_size_t(index)
        needed = self._made(f"GetCompiledModel{side}BufferRequirements", self._model, *sizes)
        return self._made("CreateManagedTensorBufferFromRequirements", self._environment, C.byref(ranked), needed)
