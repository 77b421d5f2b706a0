"""Facts to judgement: *clean*, *degraded* (which metric), *fails* (stage and reason) or *n/a*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import UserError, did_you_mean
from harness.paths import conf_dir
from harness.records import Record
from harness.tables.regression import Regression
from harness.tables.watch import Watch
from harness.validate import validated

VerdictName = Literal["clean", "degraded", "fails", "n/a"]
RANK: tuple[VerdictName, ...] = ("n/a", "clean", "degraded", "fails")
"""From nothing to say to worst."""
FLOAT, FLOAT_STORAGE = "none", "float32"
"""The scheme of a float model, and how it is stored unless an exporter says otherwise."""
CONV_SHARE = "integer_conv_share"
"""Judged like a column: of the convolutions that ONNX Runtime runs, those that it made integer kernels of."""
INT8_SHARES = ("int8_mac_share", CONV_SHARE)
UNPACKED = "quantization_kept is no: conversion made float of what was quantized"
UNLABELLED = " (changed on purpose; without labels nothing shows whether it still works)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one cell."""

    verdict: VerdictName
    metric: str | None
    """The first column that broke its bound, for *degraded* only."""
    text: str
    """One line for people; never empty."""


@dataclass(frozen=True)
class Bounds:
    """Column → the value that is just good enough."""

    min: dict[str, float] = field(default_factory=dict)
    max: dict[str, float] = field(default_factory=dict)
    min_unlabelled: dict[str, float] = field(default_factory=dict)
    """More of ``min`` where there are no labels, for what only accuracy could excuse."""


@dataclass(frozen=True)
class Thresholds:
    """A file of ``conf/verdict``, checked."""

    schemes: dict[str, Bounds]
    significance: float = field(default=0.05, metadata={"min": 0.0, "max": 1.0})
    required: list[str] = field(default_factory=list)
    owed: list[str] = field(default_factory=list)
    """Metrics that must have been measured where the scheme has a lower bound for them."""
    fewest_images: int = field(default=0, metadata={"min": 0})
    """With fewer labelled images no top-1 drop beyond its bound is put down to chance."""
    labelled: list[str] = field(default_factory=list)
    """Metrics that are judged only where there are labels."""
    selective_int8_mac_share: float = field(default=0.5, metadata={"min": 0.0, "max": 1.0})
    """What an artifact with layers in float on purpose still has to compute in int8; less is not called int8."""
    compare: Regression = field(default_factory=Regression)
    """What is worse between two runs."""
    history: Watch = field(default_factory=Watch)
    """What stands out in a series of runs."""

    def bounds(self, scheme: str) -> Bounds:
        """Return the bounds of a scheme, or those of ``default``."""
        return self.schemes.get(scheme) or self.schemes["default"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A record and what it is worth."""

    record: Record
    verdict: Verdict


def thresholds(verdict: str | Mapping[str, Any] | Thresholds = "default") -> Thresholds:
    """Return the thresholds of ``conf/verdict/<verdict>.yaml``, or of an already composed tree.

    Raises ``UserError`` for an unknown name or a tree that is not as it should be.
    """
    if isinstance(verdict, Thresholds):
        return verdict
    plain = _read(verdict) if isinstance(verdict, str) else dict(verdict)
    made = validated(plain, Thresholds, "verdict")
    if "default" not in made.schemes:
        raise UserError("verdict.schemes.default: missing; it judges the schemes that have no entry of their own")
    return made


def _read(name: str) -> object:
    import yaml

    folder = conf_dir() / "verdict"
    names = [path.stem for path in folder.glob("*.yaml")]
    if name not in names:
        raise UserError(f"verdict: '{name}' does not exist; {did_you_mean(name, names)}")
    try:
        return yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"conf/verdict/{name}.yaml: {' '.join(str(error).split())}") from error


def scheme(record: Record) -> str:
    """Return what a cell claims to be: the scheme of its quantizer, else the name of its preset.

    A float model whose exporter stores weights in fewer bits claims what that is called (TensorFlow.js: ``uint8``).
    """
    own = _quant_options(record).get("scheme")
    name = own if isinstance(own, str) else record.cell.quant.partition("@")[0]
    export = record.options.get("export")
    storage = export.get("storage", FLOAT_STORAGE) if isinstance(export, dict) else FLOAT_STORAGE
    return str(storage) if name == FLOAT and storage != FLOAT_STORAGE else name


def judge(
    record: Record,
    limits: str | Mapping[str, Any] | Thresholds = "default",
    *,
    baseline_off: bool | None = None,
) -> Verdict:
    """Return the verdict on one record.

    ``baseline_off``: the model's float top-1 misses the published figure, which takes *clean* from all its
    cells; by default what the record itself says (``judge_all`` looks at all records of the model).
    """
    bounds = thresholds(limits)
    off = record.values.get("baseline_off") is True if baseline_off is None else baseline_off
    verdict = _stopped(record) or _measured(record, bounds)
    if record.status == "noisy":
        verdict = Verdict(verdict.verdict, verdict.metric, f"{verdict.text}; latency is noisy")
    if not off:
        return verdict
    if verdict.verdict == "clean":
        return Verdict("degraded", "baseline_off", verdict.text.replace("clean", "baseline off", 1))
    return Verdict(verdict.verdict, verdict.metric, f"{verdict.text}; baseline off")


def judge_all(records: Iterable[Record], limits: str | Mapping[str, Any] | Thresholds = "default") -> list[Judged]:
    """Return every record with its verdict; ``baseline_off`` of one record counts for all of its model."""
    records, bounds = list(records), thresholds(limits)
    off = {_baseline(r) for r in records if r.values.get("baseline_off") is True}
    return [Judged(r, judge(r, bounds, baseline_off=_baseline(r) in off)) for r in records]


def worst(judged: Iterable[Judged]) -> VerdictName:
    """Return the worst verdict of some cells; *n/a* when there is none."""
    return max((j.verdict.verdict for j in judged), key=RANK.index, default="n/a")


def _baseline(record: Record) -> tuple[str, str, str, str]:
    return record.run, record.cell.task, record.cell.model, record.cell.toolchain


def _quant_options(record: Record) -> Mapping[str, Any]:
    options = record.options.get("quant")
    return options if isinstance(options, dict) else {}


def _stopped(record: Record) -> Verdict | None:
    """Return the verdict on a cell that did not go all the way, else None."""
    if record.status in ("ok", "noisy"):
        return None
    failure = record.failure
    stage = failure.stage if failure else record.stage
    reason = failure.reason if failure else record.status
    message = " ".join(failure.message.split()) if failure else ""
    text = f"{stage}: {reason}" + (f" – {message}" if message else "")
    return Verdict("n/a" if record.status == "unsupported" else "fails", None, text)


def _measured(record: Record, limits: Thresholds) -> Verdict:
    """Return the verdict on a cell that has its values: every broken bound, or clean."""
    name = scheme(record)
    bounds = limits.bounds(name)
    for metric in limits.required:
        if record.values.get(metric) is None:
            reason = record.missing.get(metric, "no reason recorded")
            return Verdict("degraded", metric, f"{metric} was not measured: {reason}")
    broken = {**dict(_below(record, limits, bounds)), **dict(_over(record, limits, bounds))}
    if broken:
        asides = dict.fromkeys(_left(record, metric) for metric in broken)
        if "top1" not in record.values and broken.keys() & bounds.min_unlabelled:
            asides[UNLABELLED] = None
        return Verdict("degraded", next(iter(broken)), "; ".join(broken.values()) + "".join(asides))
    return Verdict("clean", None, f"clean for {name}{_left(record)}")


def _below(record: Record, limits: Thresholds, bounds: Bounds) -> Iterator[tuple[str, str]]:
    """Yield every lower bound that is broken: metric and text."""
    labels = "top1" in record.values
    lower = bounds.min if labels else bounds.min | bounds.min_unlabelled
    for metric, asked in lower.items():
        selective = metric in INT8_SHARES and _is_selective(record)
        bound = min(asked, limits.selective_int8_mac_share) if selective else asked
        value = None if metric in limits.labelled and not labels else _judged_value(record, metric)
        if value is None and metric in limits.owed:
            yield metric, f"{metric} was not measured: {record.missing.get(metric, 'no reason recorded')}"
        elif value is not None and not value >= bound:
            unpacked = metric == "quantization_kept"
            yield metric, UNPACKED if unpacked else f"{metric} {_figure(value)} is below {bound:g}"


def _over(record: Record, limits: Thresholds, bounds: Bounds) -> Iterator[tuple[str, str]]:
    """Yield every upper bound that is broken: metric and text."""
    for metric, bound in bounds.max.items():
        value = _judged_value(record, metric)
        if value is not None and not value <= bound and (text := _above(record, limits, metric, value, bound)):
            yield metric, text


def _figure(value: float) -> str:
    """Return four digits, and of what is as good as nothing that it is."""
    return f"{value:.4g}" if abs(value) >= 0.001 or value == 0 else f"{value:.4f}"


def _is_selective(record: Record) -> bool:
    """Return whether layers were left in float on purpose."""
    options = _quant_options(record)
    return bool(options.get("deny_ops") or options.get("deny_layers") or options.get("deny") == "auto")


def _left(record: Record, metric: str = "") -> str:
    """Return what of a selective artifact, or of ONNX Runtime's graph, is not int8; empty for all others."""
    if metric == CONV_SHARE and (convs := _convs(record)):
        return f" (ONNX Runtime computes {convs[1]} of {sum(convs)} convolutions in float)"
    count, share = record.values.get("denied_layers"), record.values.get("int8_mac_share")
    if not _is_selective(record) or not isinstance(share, int | float):
        return ""
    layers = f"{count} layers" if isinstance(count, int) else "layers"
    return f" ({layers} in float on purpose, {share:.1%} of the multiply-adds in int8)"


def _judged_value(record: Record, metric: str) -> float | None:
    """Return a value to hold against its bound; None when there is none or the cell does not claim it."""
    value = _conv_share(record) if metric == CONV_SHARE else record.values.get(metric)
    if not isinstance(value, int | float) or (metric == "float_ops" and _is_selective(record)):
        return None
    return float(value)


def _conv_share(record: Record) -> float | None:
    convs = _convs(record)
    return convs[0] / sum(convs) if convs else None


def _convs(record: Record) -> tuple[int, int] | None:
    """Return how many convolutions ONNX Runtime runs as integer and as float kernels; None where it runs none."""
    integer, others = (record.values.get(f"{kind}_convs") for kind in ("integer", "float"))
    if not isinstance(integer, int) or not isinstance(others, int) or not integer + others:
        return None
    return integer, others


def _above(record: Record, limits: Thresholds, metric: str, value: float, bound: float) -> str:
    """Return the text for a broken upper bound; empty when a top-1 drop may be chance (McNemar's test).

    Of few images it always may, even if all were lost: then nobody knows, which is not clean.
    """
    text = f"{metric} {_figure(value)} is above {bound:g}"
    if metric != "top1_drop":
        return text
    p = record.values.get("mcnemar_p")
    if not isinstance(p, int | float):
        return f"{text} (no paired test)"
    if p < limits.significance:
        return f"{text} (McNemar p = {p:.2g})"
    images = record.values.get("images")
    few = isinstance(images, int) and images < limits.fewest_images
    return f"{text} (McNemar p = {p:.2g}: {images} images are too few to tell)" if few else ""
