"""What a runtime is: ``harness/runtimes/<method>.py`` with the names below, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import StageFailed, Unsupported

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of an artifact; integer ones hold ``real = scale * (stored - zero_point)``."""

    name: str
    """Name in the signature."""
    shape: tuple[int, ...]
    """With the batch that the session runs; -1 where it is known only after a run."""
    dtype: str
    """NumPy name: ``float32``, ``int8`` …"""
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a session says of itself that runs its artifact in another process: times are those of that process.

    The way between the processes is no part of them.
    """

    pid: int
    load_ms: float
    wall: Callable[[], int]
    """Time of all ``invoke`` so far, ns: a clock that stands still between them."""
    cpu: Callable[[], int]
    """CPU time of that process in them, ns."""
    versions: Mapping[str, str]
    """Program → version, for the record."""


class Session(Protocol):
    """An artifact, loaded and ready to run.

    One whose work is done in another process has also ``elsewhere``, an ``Elsewhere``.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the artifact: one, the image."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs of the artifact, under their signature names."""

    def run(self, image: FloatArray) -> dict[str, FloatArray]:
        """Return output name → float32 (n, …) for float32 (n, H, W, C), n at most the session's batch.

        Quantizes the input and dequantizes the outputs where the artifact is integer.
        """

    def prepare(self, image: FloatArray) -> None:
        """Set the input once, from float32 (n, H, W, C), before ``invoke`` is timed."""

    def invoke(self) -> None:
        """Run once on what ``prepare`` set, until the outputs are there. The only thing that is timed."""

    def coverage(self) -> dict[str, Any]:
        """Say what a delegate took over; empty for a runtime without one.

        Keys: ``delegate_applied`` (bool), ``partitions`` (int), ``undelegated_ops`` (int), ``undelegated``
        (operator name → count, those outside the delegate), or only ``reason`` when it cannot be told. A runtime
        that rewrites the graph when it loads it says what came of it: ``integer_convs``, ``float_convs``,
        ``inserted_transposes`` (int) and ``optimized_ops`` (operator name → count).
        """


class Runtime(Protocol):
    """The module itself: functions and constants, no class to derive from."""

    READS: ClassVar[tuple[str, ...]]
    """Formats: tflite, onnx, saved_model, frozen, tfjs."""
    PACKAGES: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the result; a new version measures again."""
    # INSTEAD: dict[str, str], where a toolchain may have another package in the place of one of these
    LIBRARIES: ClassVar[tuple[str, ...]]
    """Modules that ``open_session`` imports; imported before the loading is timed."""
    Options: ClassVar[type]
    """Dataclass of what a preset in ``conf/runtime`` may set."""

    def open_session(self, artifact: Path, options: Any, threads: int) -> Session:
        """Load an artifact for ``threads`` threads. Raises ``Unsupported`` or what the library raises."""


def quantize(values: FloatArray, spec: TensorSpec) -> NDArray[Any]:
    """Return ``values`` as the dtype of ``spec``: rounded half to even and saturated, or cast to a float."""
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype)
    if spec.scale is None or spec.zero_point is None:
        raise Unsupported(f"input '{spec.name}' is {spec.dtype} without a scale", "unscaled_integer")
    limits = np.iinfo(dtype)
    real = np.rint(values / np.float32(spec.scale)) + spec.zero_point
    stored: NDArray[Any] = np.clip(real, limits.min, limits.max).astype(dtype)
    return stored


def dequantize(stored: NDArray[Any], spec: TensorSpec) -> FloatArray:
    """Return ``stored`` as float32 by scale and zero point; what has no scale is cast."""
    if spec.scale is None or spec.zero_point is None:
        return stored.astype(np.float32)
    return (stored.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)


def to_batch(images: FloatArray, batch: int) -> FloatArray:
    """Return ``images`` (n, …) filled up to ``batch`` with copies of the last one. Raises ``ValueError``."""
    missing = batch - len(images)
    if missing < 0 or not len(images):
        raise ValueError(f"{len(images)} images for a batch of {batch}")
    return np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images


def from_batch(name: str, values: FloatArray, count: int, batch: int) -> FloatArray:
    """Return the first ``count`` rows of an output of a batch.

    Raises:
        StageFailed: ``output_batch``, when axis 0 of the output is not the batch.
    """
    if not values.ndim or len(values) != batch:
        raise StageFailed(f"output '{name}' has shape {values.shape} for a batch of {batch}", "output_batch")
    return values[:count]


def single_input(names: list[str]) -> str:
    """Return the one input of an artifact. Raises ``Unsupported`` (``several_inputs``) otherwise."""
    if len(names) != 1:
        raise Unsupported(f"the artifact has {len(names)} inputs ({', '.join(names)}), not one image", "several_inputs")
    return names[0]
