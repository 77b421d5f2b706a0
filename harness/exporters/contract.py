"""What an exporter is: ``harness/exporters/<method>.py`` with the names below."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.records import Value


@dataclass(frozen=True, slots=True)
class Model:
    """What an exporter gets."""

    saved_model: Path
    """One batch-1 signature ``serving_default`` with named outputs."""
    info: dict[str, Any]
    """``source.json``: input, outputs, preprocessing."""
    recipe: dict[str, Any]
    """What the quantizer wrote; ``scheme`` is always there."""
    calibration: Path
    """``calibration_images.npy``, uint8, N×H×W×C; may be absent."""
    artifact: Path | None = None
    """What was exported before, where the work starts from a file (``STARTS_FROM``, ``REWRITES``)."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What an exporter made."""

    file: str
    """File or folder name inside ``out``."""
    values: dict[str, Value]
    """Columns that only the exporter knows, such as ``opset``; ``form`` says what the file really holds."""
    details: dict[str, Any] = field(default_factory=dict)
    """For the record, too large for a column: ``signature_map`` (name → tensor, for inputs and outputs)."""


class Exporter(Protocol):
    """The module itself: functions and constants, no class to derive from."""

    PACKAGES: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the result; a new version redoes the work."""
    FORMAT: ClassVar[str]
    """What runtimes name in ``READS``: tflite, onnx, saved_model, frozen, tfjs."""
    MEMORY_PER_WEIGHT_BYTE: ClassVar[float]
    """Peak memory of an export divided by the bytes of the float weights, measured; for scheduling only."""
    # INSTEAD: dict[str, str], where a toolchain may have another package in the place of one of these
    # STARTS_FROM: str, where it converts what another export method has made of the same model: ``Model.artifact``
    # TOOLCHAIN: str, where it works in one toolchain only, whatever that of the cell
    Options: ClassVar[type]
    """Dataclass of what a preset in ``conf/export`` may set."""

    def export(self, model: Model, options: Any, out: Path) -> Artifact:
        """Write the artifact into ``out``. Raises ``Unsupported``, ``StageFailed`` or what the library raises."""
