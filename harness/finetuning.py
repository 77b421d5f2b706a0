"""Gradient steps for quantizers: on labels where there are any, else towards the float model's outputs."""

from __future__ import annotations

import contextlib
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import StageFailed
from harness.quantizers.contract import Source
from harness.records import Value
from zoo import keras_file, network, preprocessing, saved_model, training

PIXELS_AT_ONCE = 8 * 224 * 224
"""Of a gradient step: activations of a whole net are kept for it."""
Progress = Callable[[float, str], None]
"""Called with the share that is done, 0…1, and a few words."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fine-tune."""

    steps: int
    learning_rate: float
    batch: int
    freeze_batch_norm: bool = True
    shift: float = 0.08
    """Augmentation; only with labels: a float output belongs to one image as it is."""
    preserve_zeros: bool = False
    """Kernels keep their zeros: what was pruned stays pruned."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    """Images uint8 (N, H, W, C) and what the model shall say of them."""

    images: NDArray[np.uint8]
    mode: str
    """Preprocessing."""
    primary: str
    """Name of the output that is trained."""
    labels: NDArray[np.int32] | None = None
    outputs: NDArray[np.float32] | None = None
    """Of the float model, (N, classes) or of any shape; used where there are no labels."""

    def steps(self, batch: int, epochs: int, steps: int) -> int:
        """Return how many steps to take: ``epochs`` over labelled images, ``steps`` towards outputs."""
        return epochs * (len(self.images) // min(batch, len(self.images))) if self.labels is not None else steps

    def rate(self, learning_rate: float, unlabelled: float) -> float:
        """Return the learning rate for these images: ``unlabelled`` times as much without labels.

        Less, because those float models have random weights: such nets are chaotic, steps of the usual size do harm.
        """
        return learning_rate if self.labels is not None else learning_rate * unlabelled

    def split(self, share: float) -> tuple[Data, Data]:
        """Return (images to train on, images to judge by); without labels both are all."""
        if self.labels is None:
            return self, self
        count = max(1, len(self.images) - round(share * len(self.images)))
        first, rest = slice(None, count), slice(count, None)
        return (
            replace(self, images=self.images[first], labels=self.labels[first]),
            replace(self, images=self.images[rest], labels=self.labels[rest]),
        )


@dataclass(slots=True)
class Tuned:
    """What a fine-tuning did."""

    losses: list[float] = field(default_factory=list)
    """Mean of each epoch."""
    held_out: list[float] = field(default_factory=list)
    """Loss on what is not trained on, before the first epoch and after each."""
    best: int | None = None
    """Epoch whose weights were kept, 0: those of the start; None: those of the last."""
    steps: int = 0
    batch: int = 0
    resumed_at: int = 0
    """Epochs that an interrupted run had done."""

    def values(self) -> dict[str, Value]:
        """Return what goes into the record."""
        found: dict[str, Value] = {"tuning_steps": self.steps, "tuning_batch": self.batch}
        if self.best is not None:
            found |= {"tuning_best_epoch": self.best, "tuning_held_out_loss": self.held_out[self.best]}
        return found | ({"tuning_loss": self.losses[-1]} if self.losses else {})


def load_keras(source: Source) -> Any:
    """Return the float ``tf_keras`` model. Raises ``StageFailed``: ``no_keras_model``, when it was no such."""
    file = source.folder / "model.keras"
    if not file.is_file():
        raise StageFailed("the model is no Keras model: what its layers are is not known", "no_keras_model")
    return keras_file.load(file)


def load_data(source: Source) -> Data:
    """Return training images with labels, else calibration images with the float model's outputs.

    Raises:
        StageFailed: ``no_training_images``.
    """
    info, folder = source.info, source.dataset
    if (folder / "train_images.npy").is_file() and (folder / "train_labels.npy").is_file() and info["classes"]:
        images = np.load(folder / "train_images.npy", mmap_mode="r")
        return Data(images, info["preprocessing"], info["primary"], labels=np.load(folder / "train_labels.npy"))
    found = load_unlabelled(source)
    if found is None:
        raise StageFailed("the task has neither training nor calibration images", "no_training_images")
    return found


def load_unlabelled(source: Source) -> Data | None:
    """Return calibration images with the float model's outputs, None where there are none."""
    file = source.dataset / "calibration_images.npy"
    if not file.is_file():
        return None
    images = np.load(file, mmap_mode="r")
    return Data(images, source.info["preprocessing"], source.info["primary"], outputs=_teach(source, images))


def _teach(source: Source, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the float model says of the images, one at a time."""
    info, loaded = source.info, saved_model.load(source.saved_model)
    name, primary = info["input"]["name"], info["primary"]
    pixels = (preprocessing.apply(images[i : i + 1], info["preprocessing"]) for i in range(len(images)))
    return np.concatenate([saved_model.run(loaded, name, one)[primary] for one in pixels])


def save(model: Any, source: Source, out: Path) -> None:
    """Write ``out/saved_model`` with the input and output names of the source, and ``out/reference.npz``."""
    info = source.info
    shape = tuple(info["input"]["shape"][1:])
    names = [one["name"] for one in info["outputs"]]

    def call(image: Any) -> dict[str, Any]:
        results = model(image, training=False)
        return results if isinstance(results, dict) else dict(zip(names, _listed(results), strict=True))

    made = network.Network(call, list(model.variables), shape, info["input"]["name"], model)
    saved_model.save(made, out / "saved_model")
    images = np.load(source.dataset / "eval_images.npy", mmap_mode="r")
    network.save_outputs(out / "reference.npz", network.predict(made, images, info["preprocessing"]))


def _listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, list | tuple) else [results]


def named(model: Any, source: Source) -> Any:
    """Return a ``tf_keras`` model whose outputs go by the names of the source: what ``fine_tune`` trains."""
    import tensorflow as tf

    names = [one["name"] for one in source.info["outputs"]]
    return tf.keras.Model(model.inputs, dict(zip(names, model.outputs, strict=True)))


def at_once(shape: tuple[int, ...], batch: int) -> int:
    """Return how many images of a shape (H, W, C) a step takes: ``batch``, or less when they are large."""
    return max(1, min(batch, PIXELS_AT_ONCE // (shape[0] * shape[1])))


def fine_tune(
    model: Any,
    data: Data,
    settings: Settings,
    kept: Path | None,
    progress: Progress,
    before_step: Callable[[int], None] = lambda _: None,
    judge: Callable[[], float] | None = None,
) -> Tuned:
    """Train ``model`` (outputs by name) in place with Adam, the rate falling to zero by a cosine.

    With ``judge`` it ends with the weights of the epoch (the start is one) for which that gives the least loss:
    a deep net whose normalization stands still can collapse within a few steps.

    After each epoch the state goes to the folder ``kept``; a later call with the same data goes on there.
    ``before_step`` is called with the number of each step, from 0.
    """
    with contextlib.ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return _fine_tune(model, data, settings, folder, progress, before_step, judge)


def _fine_tune(
    model: Any,
    data: Data,
    settings: Settings,
    folder: Path,
    progress: Progress,
    before_step: Callable[[int], None],
    judge: Callable[[], float] | None,
) -> Tuned:
    import tensorflow as tf

    batch = min(settings.batch, len(data.images))
    per_epoch = len(data.images) // batch
    rate = tf.keras.optimizers.schedules.CosineDecay(settings.learning_rate, max(1, settings.steps))
    optimizer = tf.keras.optimizers.legacy.Adam(rate)
    tuned = Tuned(batch=batch)
    saved = _Saved(model, optimizer, folder, keeps_best=judge is not None)
    tuned.resumed_at = saved.restore(tuned)
    tuned.steps = tuned.resumed_at * per_epoch
    step = _step(model, optimizer, data, settings)
    held_out = judge or (lambda: math.nan)
    if not tuned.held_out:
        tuned.held_out.append(held_out())
        saved.save(tuned)
    for epoch in range(tuned.resumed_at, -(-settings.steps // per_epoch)):
        losses: list[float] = []
        for pixels, wanted in itertools.islice(_epoch(data, batch, settings, epoch), settings.steps - tuned.steps):
            before_step(tuned.steps)
            losses.append(float(step(pixels, wanted)))
            tuned.steps += 1
            progress(tuned.steps / settings.steps, f"step {tuned.steps}/{settings.steps}, loss {np.mean(losses):.4f}")
        tuned.losses.append(float(np.mean(losses)))
        tuned.held_out.append(held_out())
        saved.save(tuned)
    if judge is not None:
        tuned.best = best_of(tuned.held_out)
        saved.load_best(tuned.best)
    return tuned


def best_of(losses: Sequence[float]) -> int:
    """Return the position of the least loss, the first of equals; what is no number is worse than all."""
    return min(range(len(losses)), key=lambda i: math.inf if math.isnan(losses[i]) else losses[i])


def judge_of(model: Any, data: Data, batch: int) -> Callable[[], float]:
    """Return a function that gives the loss of the model, as it is used later, over all images of ``data``."""
    import tensorflow as tf

    loss_of = _loss(data)
    wanted = data.labels if data.labels is not None else data.outputs
    assert wanted is not None
    look = tf.function(lambda pixels: model(pixels, training=False)[data.primary], reduce_retracing=True)

    def judge() -> float:
        parts = range(0, len(data.images), batch)
        outputs = [look(preprocessing.apply(data.images[i : i + batch], data.mode)) for i in parts]
        return float(loss_of(wanted[: len(data.images)], tf.concat(outputs, 0)))

    return judge


class _Saved:
    """The state of a fine-tuning in a folder: ``state-<epochs>.*``, the best weights, and the losses."""

    def __init__(self, model: Any, optimizer: Any, folder: Path, *, keeps_best: bool) -> None:
        import tensorflow as tf

        self._state = tf.train.Checkpoint(model=model, optimizer=optimizer)
        self._weights = tf.train.Checkpoint(model=model)
        self._folder, self._losses, self._keeps_best = folder, folder / "losses.txt", keeps_best

    def restore(self, tuned: Tuned) -> int:
        """Load the newest state and its losses, when there is one; return how many epochs it has."""
        if not self._losses.is_file():
            return 0
        pairs = [line.split() for line in self._losses.read_text().splitlines()]
        tuned.losses += [float(loss) for loss, _ in pairs[1:]]
        tuned.held_out += [float(held_out) for _, held_out in pairs]
        if tuned.losses:
            self._state.read(str(self._folder / f"state-{len(tuned.losses)}"))
        return len(tuned.losses)

    def save(self, tuned: Tuned) -> None:
        """Write the state, and the weights when they are the best so far; the list of losses is written last."""
        epochs, best = len(tuned.losses), best_of(tuned.held_out)
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._keeps_best and best == epochs:
            self._weights.write(str(self._folder / f"best-{best}"))
        if epochs:
            self._state.write(str(self._folder / f"state-{epochs}"))
        new = self._folder / "losses.new"
        pairs = zip([math.nan, *tuned.losses], tuned.held_out, strict=True)
        new.write_text("".join(f"{loss!r} {held_out!r}\n" for loss, held_out in pairs))
        new.replace(self._losses)
        kept = {f"state-{epochs}", f"best-{best}"}
        for old in self._folder.glob("*-*.*"):
            if old.name.partition(".")[0] not in kept:
                old.unlink()

    def load_best(self, epoch: int) -> None:
        """Give the model the weights of the best epoch."""
        self._weights.read(str(self._folder / f"best-{epoch}"))


def _epoch(data: Data, batch: int, settings: Settings, epoch: int) -> Iterator[tuple[Any, Any]]:
    """Yield float32 pixels and what is wanted of them, a batch at a time; the same for the same epoch."""
    random = np.random.default_rng([settings.seed, epoch])
    for chosen in training.batches(len(data.images), batch, random):
        images = data.images[chosen]
        if data.labels is not None:
            images = training.shifted(images, settings.shift, random)
        wanted = data.labels if data.labels is not None else data.outputs
        assert wanted is not None
        yield preprocessing.apply(images, data.mode), wanted[chosen]


def _step(model: Any, optimizer: Any, data: Data, settings: Settings) -> Callable[[Any, Any], Any]:
    """Return one compiled gradient step: pixels, wanted → loss."""
    import tensorflow as tf

    variables = model.trainable_variables
    kernels = [v for v in variables if "kernel" in v.name] if settings.preserve_zeros else []
    masks = [tf.constant(v.numpy() != 0, v.dtype) for v in kernels]
    loss_of = _loss(data)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(pixels: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(pixels, training=not settings.freeze_batch_norm)
            loss = loss_of(wanted, outputs[data.primary])
        found = tape.gradient(loss, variables)
        optimizer.apply_gradients((g, v) for g, v in zip(found, variables, strict=True) if g is not None)
        for kernel, mask in zip(kernels, masks, strict=True):
            kernel.assign(kernel * mask)
        return loss

    return step  # type: ignore[no-any-return]


def _loss(data: Data) -> Callable[[Any, Any], Any]:
    """Cross-entropy with labels; with the float model's outputs its divergence, or the squared error of what
    is no probability (Hinton et al., arXiv:1503.02531)."""
    import tensorflow as tf

    if data.labels is not None:
        labelled: Callable[[Any, Any], Any] = tf.keras.losses.SparseCategoricalCrossentropy()
        return labelled
    assert data.outputs is not None
    sums = data.outputs.sum(axis=-1)
    probable = bool(data.outputs.ndim == 2 and data.outputs.min() >= 0 and np.allclose(sums, 1, atol=1e-3))
    losses = tf.keras.losses
    unlabelled: Callable[[Any, Any], Any] = losses.KLDivergence() if probable else losses.MeanSquaredError()
    return unlabelled
