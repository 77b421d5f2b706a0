"""Which layers to leave in float so that an int8 artifact is close enough again: few, by what each of them loses."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.exporters import tflite as exporter
from harness.exporters.contract import Model
from harness.insight import errors
from harness.insight.pairing import Comparison
from harness.insight.tflite import Values
from harness.metrics import audit, fidelity
from harness.quantizers.contract import Source
from harness.runtimes import litert
from zoo import preprocessing

LOOKED_AT = 4
"""Images on which the layers are ranked."""
JUDGED = 256
"""Images, at most, on which a set of layers is judged; never from the test split. One of them must not decide."""
HELD_OUT = 4
"""Without labelled images a trial calibrates on all but the last of so many parts, and is judged on that."""
SHARE = "int8_mac_share"
"""The bound that is on the set that was found: layers in float break it, where they keep all others."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A set of layers left in float, and what came of it."""

    layers: tuple[str, ...]
    figures: Mapping[str, float]
    enough: bool


@dataclass(slots=True)
class Repair:
    """What was found."""

    layers: tuple[str, ...] = ()
    """Names of float tensors; empty when none is needed, or nothing helped."""
    reached: bool = False
    trials: list[Trial] = field(default_factory=list)


class _Spent(Exception):
    """No trial is left."""


def smallest(ranked: Sequence[str], enough: Callable[[tuple[str, ...]], bool], most: int) -> tuple[str, ...] | None:
    """Return a small set of layers that is enough, None when none was found within ``most`` trials.

    First a beginning of the ranking that is enough, by doubling; then its members that cannot be left out, one after
    the other: each the last of the shortest beginning that is enough together with those found so far. Where trials
    suffice no member of the set can be left out; for g guilty layers among n these are about g · log₂ n, as in
    QuickXplain (Junker, AAAI 2004).
    """
    left = most

    def try_(*parts: Sequence[str]) -> bool:
        nonlocal left
        if not left:
            raise _Spent
        left -= 1
        return enough(tuple(one for part in parts for one in part))

    low, high = 0, 1
    try:
        if try_():
            return ()
        while not try_(ranked[:high]):
            if high >= len(ranked):
                return None
            low, high = high, min(2 * high, len(ranked))
    except _Spent:
        return None
    guilty: list[str] = []
    try:
        while high:  # with ranked[:high] beside the guilty it is enough, with ranked[:low] it is not
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if try_(ranked[:middle], guilty[::-1]) else (middle, high)
            guilty.append(ranked[high - 1])
            low, high = 0, high - 1
            if high and try_(guilty[::-1]):
                high = 0
    except _Spent:
        pass
    return (*ranked[:high], *guilty[::-1])


def repair(source: Source, recipe: Mapping[str, Any], bounds: Mapping[str, float], most: int) -> Repair:
    """Find layers for ``deny_layers`` so that the artifact keeps ``bounds``: ``cosine``, ``sqnr_db``, ``top1_drop``,
    and ``int8_mac_share``, what of it must be int8 still.

    Raises what the converter raises.
    """
    judge = _Judge(source, dict(recipe))
    model = Model(source.saved_model, source.info, judge.recipe, source.dataset / "calibration_images.npy")
    limits = {name: bound for name, bound in bounds.items() if name != SHARE}
    with tempfile.TemporaryDirectory() as folder:
        root, found = Path(folder), Repair()
        ranked = _ranked(model, root)

        def enough(layers: tuple[str, ...]) -> bool:
            source.progress(len(found.trials) / most, f"{len(layers)} layers in float")
            denied = list(dict.fromkeys([*recipe.get("deny_layers", ()), *layers]))
            path = _converted_unless_float(replace(model, recipe={**judge.recipe, "deny_layers": denied}), root)
            figures = {SHARE: 0.0} if path is None else judge(path)
            good = all(_keeps(name, figures[name], bound) for name, bound in limits.items() if name in figures)
            found.trials.append(Trial(layers, figures, good))
            return good

        layers = smallest(ranked, enough, most)
        share = next((one.figures.get(SHARE, 1.0) for one in found.trials if one.layers == layers), 0.0)
        if share < bounds.get(SHARE, np.finfo(float).tiny):
            layers = None  # next to the float model itself
        found.reached = layers is not None
        found.layers = layers or ()
        return found


def _keeps(name: str, value: float, bound: float) -> bool:
    return value <= bound if name == "top1_drop" else value >= bound


def _converted(model: Model, root: Path) -> Path:
    return root / exporter.export(model, exporter.Options(), root).file


def _converted_unless_float(model: Model, root: Path) -> Path | None:
    """Return the artifact, None when the deny-list leaves nothing to quantize: the converter then makes none."""
    try:
        return _converted(model, root)
    except ValueError as error:
        if "debug mode" in str(error):  # its way to say so
            return None
        raise


def _ranked(model: Model, root: Path) -> list[str]:
    """Return the names of the float graph's values, those in whose making most is lost first."""
    floating = Values(_converted(replace(model, recipe={"scheme": "none"}), root))
    quantized = Values(_converted(model, root))
    comparison, raw = Comparison(quantized, floating), floating.tensor_names()
    for image in np.load(model.calibration, mmap_mode="r")[:LOOKED_AT]:
        comparison.add(preprocessing.apply(image[None], model.info["preprocessing"]))
    return [raw[comparison.pairs[one.name]] for one in errors.ranked(comparison.layers())]


class _Judge:
    """Holds an artifact against the float model, and against labels where the task has them.

    Ranges fit the images that they were made from: where there are no others, some are kept from the trials.
    """

    def __init__(self, source: Source, recipe: dict[str, Any]) -> None:
        from zoo import saved_model

        info = source.info
        labelled = (source.dataset / "train_labels.npy").is_file() and bool(info["classes"])
        kind = "train" if labelled else "calibration"
        images = np.load(source.dataset / f"{kind}_images.npy", mmap_mode="r")
        if labelled and not len(images):
            labelled, images = False, np.load(source.dataset / "calibration_images.npy", mmap_mode="r")
        used = 0
        self.recipe = recipe
        if not labelled and len(images) > 1:
            used = min(recipe["calibration_images"], len(images) - -(-len(images) // HELD_OUT))
            self.recipe = {**recipe, "calibration_images": used}
        chosen = used + np.sort(np.random.default_rng(0).permutation(len(images) - used)[:JUDGED])
        self._pixels = [preprocessing.apply(images[i : i + 1], info["preprocessing"]) for i in chosen]
        self._labels = np.load(source.dataset / "train_labels.npy")[chosen] if labelled else None
        self._primary: str = info["primary"]
        loaded = saved_model.load(source.saved_model)
        outputs = (saved_model.run(loaded, info["input"]["name"], one)[self._primary] for one in self._pixels)
        self._reference: NDArray[np.float32] = np.concatenate(list(outputs))

    def __call__(self, path: Path) -> dict[str, float]:
        """Return cosine, SQNR, agreement and, with labels, the drop of top-1."""
        session = litert.open_session(path, litert.Options(delegate="xnnpack"), 2)
        scores = np.concatenate([session.run(one)[self._primary] for one in self._pixels])
        values, _, _ = fidelity.compare({"o": scores}, {"o": self._reference}, "o")
        known = ("cosine", "sqnr_db", "agreement")
        figures: dict[str, float] = {name: float(values[name] or 0) for name in known if name in values}
        share = audit.measure(path, "tflite").values.get(SHARE)
        if isinstance(share, int | float):  # a net without multiply-adds has none
            figures[SHARE] = float(share)
        if self._labels is not None and scores.ndim == 2:
            before, after = (float((one.argmax(1) == self._labels).mean()) for one in (self._reference, scores))
            figures["top1_drop"] = before - after
        return figures
