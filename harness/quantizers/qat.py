"""Quantization-aware training: the float model rewritten, its ranges found, its weights fine-tuned on the int8 grid.

``harness.qat`` does the work and says how. What comes out is a SavedModel whose conversion needs no guess: every
activation has its range, every kernel lies on its grid.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("tensorflow", "tf-keras", "numpy")
MEMORY_PER_WEIGHT_BYTE = 40.0


@dataclass
class Options:
    """How to train; see ``conf/quant/qat.yaml``."""

    io: Literal["float", "int8", "uint8"] = "float"
    calibration_images: int = field(default=128, metadata={"min": 1, "max": 100_000})
    coverage: list[float] = field(default_factory=lambda: [1.0, 0.99, 0.95], metadata={"min": 0.5, "max": 1.0})
    quant_delay: int = field(default=0, metadata={"min": 0, "max": 1_000_000})
    epochs: int = field(default=3, metadata={"min": 0, "max": 1000})
    steps: int = field(default=8, metadata={"min": 0, "max": 1_000_000})
    learning_rate: float = field(default=5e-5, metadata={"min": 0.0, "max": 1.0})
    batch: int = field(default=32, metadata={"min": 1, "max": 4096})
    freeze_batch_norm: bool = True
    hard_swish: Literal["product", "kernel"] = "product"


def refuses(options: Options, export: str) -> str | None:
    """The TFLite converter makes int8 of it, and so does ONNX but for the input and output."""
    if export == "tflite" or (export == "onnx" and options.io == "float"):
        return None
    if export == "onnx":
        return f"{options.io} input and output are made by the TFLite converter: export=onnx_qdq takes them from there"
    return f"qat becomes int8 in the TFLite converter; {export} would hold float weights between roundings"


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:
    """Train; write ``saved_model`` and ``reference.npz``, what the trained model itself says of the images.

    Raises:
        StageFailed: ``no_keras_model``, ``no_training_images``, and what ``harness.qat`` cannot rewrite.
    """
    from harness.qat import work

    started = time.monotonic()
    done = work.run(source, _settings(options), out)
    scheme = {"float": "int8", "int8": "int8_only", "uint8": "uint8_only"}[options.io]
    facts = {"tuning_s": time.monotonic() - started, **done.values}
    return {
        "scheme": scheme,
        "saved_model": True,
        "per_channel": True,
        "on_grid": True,
        "calibration_images": done.calibration_images,
        "facts": facts,
        "notes": done.notes,
    }


def _settings(options: Options) -> Any:
    from harness.qat import work

    return work.Settings(
        calibration_images=options.calibration_images,
        coverage=tuple(options.coverage or (1.0,)),
        delay_steps=options.quant_delay,
        epochs=options.epochs,
        steps=options.steps,
        learning_rate=options.learning_rate,
        batch=options.batch,
        freeze_batch_norm=options.freeze_batch_norm,
        hard_swish_kernel=options.hard_swish == "kernel",
    )
