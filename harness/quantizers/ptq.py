"""Post-training quantization by the TFLite converter: six schemes, one recipe each.

The work itself is done while exporting (the converter calibrates and quantizes in one go), so this stage
checks the recipe against the data and writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import StageFailed
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ()
CALIBRATED = ("int8", "int8_only", "uint8_only", "int16x8")
"""Schemes that need a representative dataset."""

Scheme = Literal["dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8"]


@dataclass
class Options:
    """Recipe of a scheme; see ``conf/quant``."""

    scheme: Scheme
    per_channel: bool = True
    calibration_images: int = field(default=64, metadata={"min": 1, "max": 100_000})
    deny_ops: list[str] = field(default_factory=list)
    deny_layers: list[str] = field(default_factory=list)


def refuses(options: Options, export: str) -> str | None:
    """Post-training schemes are made by the TFLite converter and by nothing else here; deny-lists for int8 alone."""
    if (options.deny_ops or options.deny_layers) and options.scheme != "int8":
        return (f"deny_ops and deny_layers do not work with {options.scheme}: the converter's deny-lists "
                "give int8 with float input and output, which is the scheme int8")  # fmt: skip
    if export == "tflite":
        return None
    return (f"{options.scheme} is made by the TFLite converter; {export} takes the float model "
            "(what it holds would be float again)"
            + ("; export=onnx_qdq takes the TFLite file" if export == "onnx" else ""))  # fmt: skip


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return the recipe for the TFLite exporter. Raises ``StageFailed`` when there is nothing to calibrate on."""
    recipe: dict[str, Any] = {
        "scheme": options.scheme,
        "per_channel": options.per_channel,
        "deny_ops": options.deny_ops,
        "deny_layers": options.deny_layers,
        "calibration_images": 0,
    }
    if options.scheme in CALIBRATED:
        found = _calibration_count(source.dataset)
        if not found:
            raise StageFailed("the task has no calibration images", "no_calibration_images")
        recipe["calibration_images"] = min(found, options.calibration_images)
    return recipe


def _calibration_count(dataset: Path) -> int:
    import numpy as np

    file = dataset / "calibration_images.npy"
    return len(np.load(file, mmap_mode="r")) if file.is_file() else 0
