"""Post-training quantization by the TFLite converter: six schemes, one recipe each.

The work itself is done while exporting (the converter calibrates and quantizes in one go), so this stage
checks the recipe against the data and writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import StageFailed, UserError
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("tensorflow", "ai-edge-litert", "numpy")
CALIBRATED = ("int8", "int8_only", "uint8_only", "int16x8")
"""Schemes that need a representative dataset."""

BOUNDS = {"cosine": 0.985, "sqnr_db": 13.0, "top1_drop": 0.01, "int8_mac_share": 0.5}
"""What ``deny: auto`` has to keep on images that are not the test's; others than these are not known.

Half the noise that ``conf/verdict`` allows, as there is more of it on images that nobody has seen; and its share of
multiply-adds that must be int8 still.
"""
Scheme = Literal["dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8"]


@dataclass
class Options:
    """Recipe of a scheme; see ``conf/quant``."""

    scheme: Scheme
    per_channel: bool = True
    calibration_images: int = field(default=64, metadata={"min": 1, "max": 100_000})
    deny_ops: list[str] = field(default_factory=list)
    deny_layers: list[str] = field(default_factory=list)
    deny: Literal["none", "auto"] = "none"
    deny_bounds: dict[str, float] = field(default_factory=lambda: dict(BOUNDS))
    deny_trials: int = field(default=32, metadata={"min": 2, "max": 1000})


def refuses(options: Options, export: str) -> str | None:
    """Post-training schemes are made by the TFLite converter and by nothing else here; deny-lists for int8 alone."""
    if unknown := sorted(options.deny_bounds.keys() - BOUNDS.keys()):
        raise UserError(f"deny_bounds: {', '.join(unknown)} is not known; allowed: {', '.join(BOUNDS)}")
    if (options.deny_ops or options.deny_layers or options.deny == "auto") and options.scheme != "int8":
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
    return _repaired(source, options, recipe) if options.deny == "auto" else recipe


def _repaired(source: Source, options: Options, recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe with the layers that have to stay in float, and what was tried to find them."""
    from dataclasses import asdict

    from harness.insight.repair import repair

    found = repair(source, recipe, options.deny_bounds, options.deny_trials)
    layers = list(dict.fromkeys([*options.deny_layers, *found.layers]))
    facts = {"denied_layers": len(layers), "deny_trials": len(found.trials), "deny_reached": found.reached}
    notes = {"denied": layers, "trials": [asdict(one) for one in found.trials]}
    return {**recipe, "deny_layers": layers, "facts": facts, "notes": notes}


def _calibration_count(dataset: Path) -> int:
    import numpy as np

    file = dataset / "calibration_images.npy"
    return len(np.load(file, mmap_mode="r")) if file.is_file() else 0
