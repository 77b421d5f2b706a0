"""All of quantization-aware training in order: load, rewrite, place ranges, calibrate, fine-tune, save, predict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.finetuning import Data, Tuned, at_once, fine_tune, judge_of, load_data, load_keras, load_unlabelled, save
from harness.finetuning import Settings as Tuning
from harness.qat import calibration, export, graph, ranges, transforms
from harness.quantizers.contract import Source
from harness.records import Value

UNLABELLED_RATE = 0.02
"""Times the learning rate, where the float model's outputs are the goal."""
HELD_OUT = 0.1
"""Share of labelled images that are not trained on but tell which epoch was the best."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of the training; see ``conf/quant/qat.yaml``."""

    calibration_images: int
    delay_steps: int
    epochs: int
    steps: int
    learning_rate: float
    batch: int
    freeze_batch_norm: bool
    coverage: tuple[float, ...] = (1.0, 0.99, 0.95)
    """Shares of the images that ranges may have to hold; the one is taken that stays closest to the float model."""
    preserve_zeros: bool = False
    hard_swish_kernel: bool = False


@dataclass(slots=True)
class Done:
    """What a training found."""

    values: dict[str, Value]
    calibration_images: int
    notes: dict[str, Any] = field(default_factory=dict)


def run(source: Source, settings: Settings, out: Path, keras: Any = None) -> Done:
    """Train and save; see ``harness.quantizers.qat.quantize``. ``keras`` is trained in place of the source's model.

    Raises:
        StageFailed: ``no_keras_model``, ``no_training_images``, and what cannot be rewritten.
    """
    data = load_data(source)
    rewritten = transforms.apply(graph.read(keras or load_keras(source)), hard_swish_kernel=settings.hard_swish_kernel)
    trained, judged = data.split(HELD_OUT)
    batch = at_once(data.images.shape[1:], settings.batch)
    if settings.delay_steps:
        rewritten = _delay(rewritten, trained, settings, batch, source)
    placed = ranges.place(rewritten)
    del rewritten
    model = graph.build(placed.graph)
    source.progress(0.06, "looking for ranges")
    ends = calibration.observe(model, data, settings.calibration_images, batch)
    # the float model has seen its training images: how close ranges keep to it shows on others
    unseen = data if data.labels is None else load_unlabelled(source) or judged
    judge = judge_of(model, unseen, batch)
    coverage, coverage_losses, empty = calibration.calibrate(model, ends, settings.coverage, judge)
    steps = trained.steps(batch, settings.epochs, settings.steps)
    tuned = fine_tune(
        model,
        trained,
        _tuning(settings, data, steps, batch),
        source.kept,
        lambda share, text: source.progress(0.1 + 0.8 * share, text),
        judge=judge if judged is unseen else judge_of(model, judged, batch),
    )
    source.progress(0.92, "saving")
    losses = {"losses": tuned.losses, "held_out_losses": tuned.held_out, "coverage_losses": coverage_losses}
    notes = {"ranges": ranges.found(model), "empty_ranges": empty, **losses}
    save(export.exported(placed.graph, model), source, out)
    values = _values(tuned, placed) | {"range_coverage": coverage}
    return Done(values, min(settings.calibration_images, len(data.images)), notes)


def _tuning(settings: Settings, data: Data, steps: int, batch: int) -> Tuning:
    return Tuning(
        steps=steps,
        learning_rate=data.rate(settings.learning_rate, UNLABELLED_RATE),
        batch=batch,
        freeze_batch_norm=settings.freeze_batch_norm,
        preserve_zeros=settings.preserve_zeros,
    )


def _delay(rewritten: graph.Graph, data: Data, settings: Settings, batch: int, source: Source) -> graph.Graph:
    """Train the rewritten model in float for so many steps before anything is rounded."""
    model = graph.build(rewritten)
    tuning = _tuning(settings, data, settings.delay_steps, batch)
    fine_tune(model, data, tuning, None, lambda share, text: source.progress(0.05 * share, text))
    return graph.with_weights(rewritten, model)


def _values(tuned: Tuned, placed: ranges.Placed) -> dict[str, Value]:
    return tuned.values() | {"qat_ranges": placed.ranges, "qat_shared_ranges": placed.shared}
