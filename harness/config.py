"""Hydra composes, this module checks: overrides in, one ``RunConfig`` out. The only user of Hydra besides ``plan``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness import plugins, toolchains
from harness.config_overrides import choices, composition_errors, explain, groups, origin, require_choices
from harness.errors import UserError, did_you_mean
from harness.paths import conf_dir
from harness.records import STAGES
from harness.validate import validated

__all__ = ["AXES", "Composed", "ModelConfig", "RunConfig", "TaskConfig", "check", "choices", "compose", "groups"]

AXES = {"quant": "quantizers", "export": "exporters", "runtime": "runtimes"}
"""Config group → plug-in group, for the axes whose options belong to plug-ins."""
VARIANT = "@"
"""Between the name of a choice and the options in which it differs from its neighbours."""
_SINGLE = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Training:
    """How a zoo model is trained from scratch on a small task."""

    epochs: int = field(default=20, metadata={"min": 1, "max": 10000})
    learning_rate: float = field(default=0.002, metadata={"min": 0.0, "max": 10.0})


@dataclass(frozen=True)
class Published:
    """Figures of the zoo's authors, with their source."""

    top1: float | None = None
    top5: float | None = None
    size_mb: float | None = None
    parameters_m: float | None = None
    source: str | None = None


@dataclass(frozen=True)
class ModelConfig:
    """One choice of ``model``."""

    source: Literal["keras_applications", "custom"]
    family: str
    preprocessing: Literal["none", "tf", "caffe", "torch"]
    architecture: str | None = None
    input_size: int | None = field(default=None, metadata={"min": 8, "max": 4096})
    small_size: int | None = field(default=None, metadata={"min": 8, "max": 4096})
    channels: int | None = field(default=None, metadata={"min": 1, "max": 3})
    path: str | None = None
    trust: bool = False
    training: Training | None = None
    published: Published | None = None


@dataclass(frozen=True)
class TaskConfig:
    """The choice of ``task``: data, labels and where the weights come from."""

    name: str
    kind: Literal["digits", "photos", "imagenet", "imagefolder"]
    path: str | None = None
    dataset: str | None = None
    split: str | None = None
    weights: str | None = None
    images: int | None = field(default=None, metadata={"min": 1})
    calibration_images: int = field(default=128, metadata={"min": 1})
    allow_unreadable: bool = False
    baseline_margin: float | None = field(default=None, metadata={"min": 0.0})
    target: float | None = field(default=None, metadata={"min": 0.0, "max": 1.0})
    seed: int = 0


@dataclass(frozen=True)
class MeasureConfig:
    """How much effort a measurement is worth; ``conf/measure``."""

    name: str
    rounds: int = field(metadata={"min": 1, "max": 100})
    min_samples: int = field(metadata={"min": 3})
    min_seconds: float = field(metadata={"min": 0.0})
    max_samples: int = field(metadata={"min": 3})
    cap_seconds: float = field(metadata={"min": 0.01})
    warmup_runs: int = field(metadata={"min": 1})
    warmup_seconds: float = field(metadata={"min": 0.0})
    warmup_cap_s: float = field(metadata={"min": 0.01})
    max_images: int | None = field(metadata={"min": 1})
    evaluate_cap_s: float = field(metadata={"min": 0.1})
    remeasure: int = field(metadata={"min": 0, "max": 10})


@dataclass(frozen=True)
class LimitsConfig:
    """What jobs may use; ``null`` means: from the machine."""

    jobs: int | None = field(default=None, metadata={"min": 1, "max": 256})
    memory_gib: float | None = field(default=None, metadata={"min": 0.1})
    job_memory_gib: float | None = field(default=None, metadata={"min": 0.1})
    file_gib: float = field(default=16, metadata={"min": 0.000001})
    timeout_s: dict[str, float] = field(default_factory=dict, metadata={"min": 0.1})


@dataclass(frozen=True)
class ToolchainConfig:
    """One choice of ``toolchain``: see ``records.Toolchain``."""

    python: str | None = None
    wants: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunConfig:
    """The composed, checked configuration of one run."""

    model: dict[str, ModelConfig]
    quant: dict[str, dict[str, Any]]
    export: dict[str, dict[str, Any]]
    runtime: dict[str, dict[str, Any]]
    task: TaskConfig
    measure: MeasureConfig
    verdict: dict[str, Any]
    limits: LimitsConfig
    toolchain: dict[str, ToolchainConfig] = field(default_factory=lambda: {toolchains.DEFAULT: ToolchainConfig()})
    tracker: dict[str, Any] = field(default_factory=lambda: {"method": "none"})
    threads: int | list[int] = field(default=1, metadata={"min": 1, "max": 1024})
    seed: int = field(default=0, metadata={"min": 0})
    rerun: bool = False
    fail_on: Literal["never", "fails", "degraded"] = "never"
    run_id: str | None = None
    results_dir: str = "results"
    reports_dir: str = "reports"
    cache_dir: str | None = None
    plugins_dir: str | None = None


@dataclass(frozen=True)
class Composed:
    """A checked configuration and where it came from."""

    config: RunConfig
    overrides: tuple[str, ...]
    yaml: str


def compose(overrides: Sequence[str]) -> Composed:
    """Compose and check the configuration. Raises ``UserError`` with key, place and what is allowed."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    require_choices(overrides)
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            cfg = hydra_compose("config", overrides=list(overrides))
            plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except composition_errors() as error:
        raise UserError(explain(error, overrides)) from error
    return Composed(check(plain, overrides), tuple(overrides), OmegaConf.to_yaml(cfg))


def check(plain: object, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the plain composed tree as ``RunConfig``; every mistake is a ``UserError``."""

    def where(key: str) -> str:
        return origin(key, overrides)

    axes = ("model", *AXES, "toolchain")
    if isinstance(plain, dict):
        plain = {**{axis: {} for axis in axes}, **plain}  # of an axis with nothing chosen Hydra makes no key
    config = validated(plain, RunConfig, "", where)
    variants = {axis: _variants(getattr(config, axis), group, config.plugins_dir) for axis, group in AXES.items()}
    for axis, group in AXES.items():
        for name, options in variants[axis].items():
            _check_plugin(f"{axis}.{name}", group, options, config.plugins_dir, where)
    _check_plugin("tracker", "trackers", config.tracker, config.plugins_dir, where)
    config = replace(config, quant=variants["quant"], export=variants["export"], runtime=variants["runtime"])
    for stage in config.limits.timeout_s:
        if stage not in STAGES:
            raise UserError(f"limits.timeout_s.{stage}: unknown stage; {did_you_mean(stage, STAGES)}")
    for axis in axes:
        if not getattr(config, axis):
            raise UserError(f"{axis}: nothing chosen; allowed: {', '.join(choices(axis))}")
    if config.run_id is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", config.run_id):
        raise UserError(f"run_id: {config.run_id!r} is not possible; allowed: letters, digits, '.', '_' and '-'")
    _check_paths(config)
    _check_toolchains(config, where)
    return config


def _check_toolchains(config: RunConfig, where: Callable[[str], str]) -> None:
    """A toolchain is its file, which its environment was made from: nothing else would be what ran."""
    for name, chosen in config.toolchain.items():
        known = toolchains.get(name)
        for key in ("python", "imports", "packages"):
            given, filed = getattr(chosen, key), getattr(known, key)
            if given != (list(filed) if isinstance(filed, tuple) else filed):
                full = f"toolchain.{name}.{key}"
                raise UserError(f"{full}: cannot be set{where(full)}; it is what conf/toolchain/{name}.yaml says")


def _variants(chosen: dict[str, Any], group: str, plugins_dir: str | None) -> dict[str, Any]:
    """Return the choices of an axis; one with a list where its plug-in takes one value becomes a choice for each.

    ``onnx`` with ``opset: [13, 14]`` becomes ``onnx@opset=13`` and ``onnx@opset=14``.
    """
    found: dict[str, Any] = {}
    for name, options in chosen.items():
        lists = _listed(options, group, plugins_dir) if isinstance(options, dict) else {}
        for values in itertools.product(*lists.values()):
            settings = dict(zip(lists, values, strict=True))
            suffix = ",".join(f"{key}={_word(value)}" for key, value in settings.items())
            found[f"{name}{VARIANT}{suffix}" if settings else name] = {**options, **settings} if settings else options
    return found


def _listed(options: dict[str, Any], group: str, plugins_dir: str | None) -> dict[str, list[Any]]:
    """Return the options that are lists where one value is wanted."""
    method = options.get("method")
    if not isinstance(method, str) or method not in plugins.names(group, plugins_dir):
        return {}
    defaults = plugins.defaults(plugins.load(group, method, plugins_dir))
    single = {key for key, default in defaults.items() if not isinstance(default, list)}
    lists = {key: value for key, value in options.items() if key in single and isinstance(value, list) and value}
    return {
        key: list(dict.fromkeys(value)) for key, value in lists.items() if all(isinstance(v, _SINGLE) for v in value)
    }


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _check_plugin(key: str, group: str, options: dict[str, Any], plugins_dir: str | None, where: Any) -> None:
    if not isinstance(options, dict) or not isinstance(options.get("method"), str):
        raise UserError(f"{key}.method: missing{where(key)}; allowed: {', '.join(plugins.names(group, plugins_dir))}")
    try:
        module = plugins.load(group, options["method"], plugins_dir)
    except UserError as error:
        raise UserError(f"{key}.method: {error}{where(key)}") from error
    own = {k: v for k, v in options.items() if k != "method"}
    validated(own, module.Options, key, where)


def _check_paths(config: RunConfig) -> None:
    if config.plugins_dir is not None and not Path(config.plugins_dir).is_dir():
        raise UserError(f"plugins_dir: {config.plugins_dir} is not a folder")
    for name, model in config.model.items():
        if model.source == "custom" and (model.path is None or not Path(model.path).exists()):
            raise UserError(f"model.{name}.path: {model.path} does not exist; "
                            "allowed: a .keras file, a SavedModel, or (with trust: true) an .h5 file")  # fmt: skip
    task = config.task
    if task.kind == "imagefolder" and (task.path is None or not Path(task.path).is_dir()):
        raise UserError(
            f"task.path: {task.path} is not a folder; allowed: a folder with one folder of images per class"
        )
    if task.kind == "imagefolder":
        _require_images(Path(str(task.path)))


def _require_images(folder: Path) -> None:
    if not any(path.is_file() for path in folder.glob("*/*")):
        raise UserError(f"task.path: {folder} holds no image; allowed: a folder with one folder of images per class")
