"""Magnitude pruning by tfmot: kernels get zeros along a polynomial schedule while the model trains on.

After "To prune, or not to prune" (Zhu and Gupta, arXiv:1710.01878). What comes next is an option: nothing, int8 by the
converter, or quantization-aware training that keeps the zeros.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.errors import StageFailed
from harness.quantizers.contract import Source
from harness.records import Value
from zoo import keras_file

PACKAGES: tuple[str, ...] = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")
MEMORY_PER_WEIGHT_BYTE = 40.0
KERAS, FACTS = "pruned.keras", "pruning.json"
_LATER = ("calibration_images", "qat_epochs", "qat_learning_rate")
"""Options that matter only after the pruning."""
RAMP = 0.75
"""Share of the training after which the target is reached; the rest mends what was cut."""
UNLABELLED_RATE = 0.01
"""Times the learning rate, where the float model's outputs are the goal."""


@dataclass
class Options:
    """What to prune and how to go on; see ``conf/quant/prune.yaml``."""

    sparsity: float = field(default=0.5, metadata={"min": 0.0, "max": 0.99})
    policy: Literal["kernels", "xnnpack"] = "kernels"
    then: Literal["float", "int8", "qat"] = "float"
    sparse_encoding: bool = False
    epochs: int = field(default=6, metadata={"min": 1, "max": 1000})
    steps: int = field(default=16, metadata={"min": 2, "max": 1_000_000})
    learning_rate: float = field(default=3e-4, metadata={"min": 0.0, "max": 1.0})
    batch: int = field(default=32, metadata={"min": 1, "max": 4096})
    calibration_images: int = field(default=128, metadata={"min": 1, "max": 100_000})
    qat_epochs: int = field(default=2, metadata={"min": 0, "max": 1000})
    qat_learning_rate: float = field(default=5e-5, metadata={"min": 0.0, "max": 1.0})


def refuses(options: Options, export: str) -> str | None:
    """A pruned float model goes through every exporter, one trained for int8 through TFLite and ONNX."""
    everywhere = options.then == "float" or (options.then == "qat" and export == "onnx")
    if export == "tflite" or (everywhere and not options.sparse_encoding):
        return None
    return f"int8 and sparse encoding are made by the TFLite converter; {export} takes the pruned float model"


def starts_from(options: Options) -> dict[str, Any] | None:
    """Return the options of plain pruning, which all three share; what comes next does not change it."""
    if options.then == "float":
        return None
    plain = Options()
    later = {name: getattr(plain, name) for name in ("then", "sparse_encoding", *_LATER)}
    return asdict(options) | later


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:
    """Prune, or go on from what was pruned; write ``saved_model`` and ``reference.npz``.

    Raises:
        StageFailed: ``policy_refuses``, with tfmot's message; ``no_keras_model``, ``no_training_images``.
    """
    started = time.monotonic()
    found = _prune(source, options, out) if source.before is None else _go_on(source, options, out)
    found["facts"]["tuning_s"] = time.monotonic() - started
    return {**found, "sparse": options.sparse_encoding, "saved_model": True}


def _prune(source: Source, options: Options, out: Path) -> dict[str, Any]:
    """Prune while training on; keep the Keras model and what was measured for those who go on from it."""
    from harness import finetuning

    data = finetuning.load_data(source)
    batch = finetuning.at_once(data.images.shape[1:], options.batch)
    steps = data.steps(batch, options.epochs, options.steps)
    wrapped = _wrapped(finetuning.load_keras(source), options, steps)
    model, step = finetuning.named(wrapped, source), _updates(wrapped)
    rate = data.rate(options.learning_rate, UNLABELLED_RATE)
    settings = finetuning.Settings(steps, rate, batch, freeze_batch_norm=False)
    tuned = finetuning.fine_tune(model, data, settings, source.kept, source.progress, step)
    pruned = _stripped(wrapped)
    values, notes = _sparsity(pruned, wrapped)
    values |= {"target_sparsity": options.sparsity, **tuned.values()}
    finetuning.save(finetuning.named(pruned, source), source, out)
    pruned.save(out / KERAS)
    (out / FACTS).write_text(json.dumps({"facts": values, "notes": notes}))
    return {"scheme": "none", "calibration_images": 0, "facts": values, "notes": notes}


def _go_on(source: Source, options: Options, out: Path) -> dict[str, Any]:
    """Make int8 of what was pruned: by the converter, or by training that keeps the zeros."""
    assert source.before is not None
    known: dict[str, Any] = json.loads((source.before / FACTS).read_text())
    if options.then == "int8":
        shutil.copytree(source.before / "saved_model", out / "saved_model")
        shutil.copy(source.before / "reference.npz", out / "reference.npz")
        return {"scheme": "int8", "calibration_images": min(_count(source), options.calibration_images), **known}
    pruned = keras_file.load(source.before / KERAS)
    done = _trained_for_int8(source, options, pruned, out)
    facts, notes = known["facts"] | done.values, known["notes"] | done.notes
    return {"scheme": "int8", "on_grid": True, "calibration_images": done.calibration_images,
            "facts": facts, "notes": notes}  # fmt: skip


def _wrapped(keras: Any, options: Options, steps: int) -> Any:
    """Return the model whose convolution and dense kernels will be pruned."""
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot

    prune = tfmot.sparsity.keras.prune_low_magnitude
    end = max(1, round(RAMP * steps))
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, options.sparsity, 0, end, frequency=max(1, end // 20))
    if options.policy == "xnnpack":
        try:
            return prune(keras, schedule, pruning_policy=tfmot.sparsity.keras.PruneForLatencyOnXNNPack())
        except ValueError as error:
            raise StageFailed(f"PruneForLatencyOnXNNPack: {' '.join(str(error).split())}", "policy_refuses") from error

    def one(layer: Any) -> Any:
        kinds = (tf.keras.layers.Conv2D, tf.keras.layers.Dense)
        depthwise = isinstance(layer, tf.keras.layers.DepthwiseConv2D)
        return prune(layer, schedule) if isinstance(layer, kinds) and not depthwise else layer

    return tf.keras.models.clone_model(keras, clone_function=one)


def _updates(wrapped: Any) -> Any:
    """Return what tells tfmot's wrappers the number of each step; without it nothing would be pruned."""
    from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import PruneLowMagnitude

    layers = [layer for layer in wrapped.layers if isinstance(layer, PruneLowMagnitude)]

    def update(step: int) -> None:
        for layer in layers:
            layer.pruning_step.assign(step)

    return update


def _stripped(wrapped: Any) -> Any:
    """Return the plain model. The last step has moved what the masks had set to zero: they are applied once more."""
    import tensorflow_model_optimization as tfmot

    for layer in wrapped.layers:
        if hasattr(layer, "pruning_obj"):
            layer.pruning_obj.weight_mask_op()
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def _sparsity(pruned: Any, wrapped: Any) -> tuple[dict[str, Value], dict[str, Any]]:
    """Return the share of zeros in all pruned kernels, and by layer."""
    names = {layer.layer.name for layer in wrapped.layers if hasattr(layer, "pruning_step")}
    kernels: Mapping[str, Any] = {name: pruned.get_layer(name).kernel.numpy() for name in sorted(names)}
    zeros = {name: int((kernel == 0).sum()) for name, kernel in kernels.items()}
    total = sum(kernel.size for kernel in kernels.values())
    layers = {name: zeros[name] / kernels[name].size for name in kernels}
    values: dict[str, Value] = {"pruned_sparsity": sum(zeros.values()) / max(1, total), "pruned_layers": len(kernels)}
    return values, {"sparsity": layers}


def _trained_for_int8(source: Source, options: Options, pruned: Any, out: Path) -> Any:
    from harness.qat import work

    settings = work.Settings(
        calibration_images=options.calibration_images,
        delay_steps=0,
        epochs=options.qat_epochs,
        steps=options.steps // 2,
        learning_rate=options.qat_learning_rate,
        batch=options.batch,
        freeze_batch_norm=True,
        preserve_zeros=True,
    )
    return work.run(source, settings, out, pruned)


def _count(source: Source) -> int:
    file = source.dataset / "calibration_images.npy"
    if not file.is_file():
        raise StageFailed("the task has no calibration images", "no_calibration_images")
    return len(np.load(file, mmap_mode="r"))
