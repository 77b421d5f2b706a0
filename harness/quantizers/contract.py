"""What a quantizer is: ``harness/quantizers/<method>.py`` with the names below."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Source:
    """The float model that a quantizer starts from."""

    folder: Path
    """Holds ``saved_model/``, ``source.json``, ``reference.npz`` and, for Keras models, ``model.keras``."""
    dataset: Path
    """Holds ``calibration_images.npy`` (uint8, N×H×W×C) and the task's other images."""
    progress: Callable[[float, str], None] = lambda _share, _note: None
    """Says how far the work is, 0…1, and what it is at."""
    kept: Path | None = None
    """Folder for the state of long work: what it holds is there again when the same work is begun anew."""
    before: Path | None = None
    """Output of the quantization that this one goes on from, where the module has ``starts_from``."""

    @property
    def saved_model(self) -> Path:
        """The shared float SavedModel."""
        return self.folder / "saved_model"

    @property
    def info(self) -> dict[str, Any]:
        """Inputs, outputs, preprocessing: the content of ``source.json``."""
        info: dict[str, Any] = json.loads((self.folder / "source.json").read_text())
        return info


class Quantizer(Protocol):
    """The module itself: functions and constants, no class to derive from."""

    PACKAGES: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide the result; a new version redoes the work."""
    Options: ClassVar[type]
    """Dataclass of what a preset in ``conf/quant`` may set."""
    # MEMORY_PER_WEIGHT_BYTE: float, where one trains: peak memory by the bytes of the float weights, for scheduling
    # REWRITES: bool, where it quantizes the float artifact, after the export; then there is a function as well:
    #     rewrite(model: exporters.contract.Model, out: Path) -> exporters.contract.Artifact
    # starts_from(options) -> dict | None, where options of the same method make what these go on from: those options
    # machine() -> dict, where what is made depends on the machine: the part of it that matters, for the cache

    def refuses(self, options: Any, export: str) -> str | None:
        """Say why this method has no meaning for an export method, or ``None`` when it has."""

    def quantize(self, source: Source, options: Any, out: Path) -> dict[str, Any]:
        """Return the settings that exporters apply, JSON; a new model goes to ``out/saved_model``.

        Keys understood by exporters: ``scheme`` (what the artifact claims to be), ``saved_model`` (true when
        ``out`` holds one) and those of the exporter named in ``refuses``. ``facts`` become columns, ``notes``
        details of the record. ``out/reference.npz``, when written, holds the new model's own outputs on the
        evaluation images: the artifact is held against them as well.
        """
