"""Quantization-aware training as tfmot's guide does it: ``quantize_model`` on the whole model, then training.

Here to show what users meet: of the zoo it takes ResNet50/101/152, MobileNet and MobileNetV2. ``qat`` takes all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import StageFailed
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")
MEMORY_PER_WEIGHT_BYTE = 40.0
UNLABELLED_RATE = 0.1
"""Times the learning rate, where the float model's outputs are the goal."""


@dataclass
class Options:
    """How to train; see ``conf/quant/qat_stock.yaml``."""

    epochs: int = field(default=3, metadata={"min": 0, "max": 1000})
    steps: int = field(default=8, metadata={"min": 0, "max": 1_000_000})
    learning_rate: float = field(default=1e-5, metadata={"min": 0.0, "max": 1.0})
    batch: int = field(default=32, metadata={"min": 1, "max": 4096})


def refuses(options: Options, export: str) -> str | None:  # noqa: ARG001 - the contract of a quantizer
    """Only the TFLite converter makes int8 of it."""
    if export == "tflite":
        return None
    return f"qat_stock becomes int8 in the TFLite converter; {export} would hold float weights between roundings"


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:
    """Train what ``quantize_model`` gives; write ``saved_model`` and ``reference.npz``.

    Raises:
        StageFailed: ``tfmot_refuses``, with tfmot's message; ``no_keras_model``, ``no_training_images``.
    """
    from harness import finetuning

    started = time.monotonic()
    data = finetuning.load_data(source)
    keras = finetuning.load_keras(source)
    model = finetuning.named(_quantized(keras), source)
    batch = finetuning.at_once(data.images.shape[1:], options.batch)
    settings = finetuning.Settings(
        steps=data.steps(batch, options.epochs, options.steps),
        learning_rate=data.rate(options.learning_rate, UNLABELLED_RATE),
        batch=batch,
        freeze_batch_norm=False,
    )
    tuned = finetuning.fine_tune(model, data, settings, source.kept, source.progress)
    finetuning.save(model, source, out)
    facts = {"tuning_s": time.monotonic() - started, **tuned.values()}
    return {"scheme": "int8", "saved_model": True, "calibration_images": 0, "facts": facts}


def _quantized(keras: Any) -> Any:
    import tensorflow_model_optimization as tfmot

    try:
        return tfmot.quantization.keras.quantize_model(keras)
    except Exception as error:
        text = " ".join(str(error).split())
        message = f"tfmot's quantize_model takes no {keras.name}: {type(error).__name__}: {text}"
        raise StageFailed(message, "tfmot_refuses") from error
