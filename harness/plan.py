"""Multiply the choices into cells, and say what work the cells share.

A plan is data: cells in a fixed order, and nodes (jobs to be) that name the nodes they need. Nothing is run here.

Under several toolchains, data, float model and quantization (a recipe, or a model that was trained) are made once,
in the default one: so every toolchain converts the same weights, and is held against the same reference outputs.
Exporting, running the artifact on the images, and timing it are done anew in each, with the converter and the
runtime of its days: what differs between them is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from types import ModuleType
from typing import Any

from harness import codec, plugins, toolchains
from harness.config import ModelConfig, RunConfig
from harness.records import Cell

BASELINE = "none"
"""The float model runs along in every plan: every comparison needs it."""


@dataclass(frozen=True)
class Node:
    """A job to be: what to do, with which options, on the output of which other nodes."""

    id: str
    kind: str
    options: dict[str, Any]
    needs: dict[str, str]
    """Name of an input folder → node id."""
    plugin: tuple[str, str] | None = None
    """(group, method) of the plug-in that does it; its code and packages are part of the key."""
    toolchain: str = toolchains.DEFAULT
    """In whose environment it is done."""


@dataclass(frozen=True)
class Refusal:
    """Why a cell cannot be; ``reason`` is a short code."""

    text: str
    reason: str = "no_such_form"


@dataclass(frozen=True)
class PlannedCell:
    """A cell and the nodes that it hangs on; ``refusal`` says why it cannot be."""

    cell: Cell
    options: dict[str, Any]
    export_node: str = ""
    evaluate_node: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Batch:
    """All cells of one model: converted together, measured together."""

    model: str
    cells: tuple[PlannedCell, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Plan:
    """The whole matrix of a run."""

    batches: tuple[Batch, ...]
    digest: str = field(default="")

    @property
    def cells(self) -> list[PlannedCell]:
        """All cells in order."""
        return [cell for batch in self.batches for cell in batch.cells]

    @property
    def toolchains(self) -> list[str]:
        """All toolchains that something is done in, each once."""
        return list(dict.fromkeys(node.toolchain for batch in self.batches for node in batch.nodes))


def make(config: RunConfig) -> Plan:
    """Return the plan of a checked configuration."""
    batches = tuple(_batch(name, model, config) for name, model in config.model.items())
    digest = codec.digest([[asdict(p.cell), p.options] for b in batches for p in b.cells])
    return Plan(batches, digest)


def _quants(config: RunConfig) -> dict[str, dict[str, Any]]:
    return {BASELINE: config.quant.get(BASELINE, {"method": "none"}), **config.quant}


def _batch(name: str, model: ModelConfig, config: RunConfig) -> Batch:
    nodes: dict[str, Node] = {}
    for node in _source_nodes(name, model, config):
        nodes[node.id] = node
    cells: list[PlannedCell] = []
    for toolchain, (quant, q_options), export in product(config.toolchain, _quants(config).items(), config.export):
        e_options = config.export[export]
        if not _readers(e_options, config):
            continue
        refusal, exported = _refusal(q_options, e_options, toolchain, config), ""
        if refusal is None:
            exported = _export_nodes(name, quant, export, q_options, e_options, toolchain, config, nodes)
        cells += _cells(name, model, quant, export, toolchain, exported, refusal, config, nodes)
    return Batch(name, tuple(cells), tuple(nodes.values()))


def _refusal(quant: dict[str, Any], export: dict[str, Any], toolchain: str, config: RunConfig) -> Refusal | None:
    """Ask the method whether it has a meaning for the export method that takes its model first, and the toolchain
    whether it has what both need."""
    module = plugins.load("quantizers", quant["method"], config.plugins_dir)
    exporter = plugins.load("exporters", export["method"], config.plugins_dir)
    first = getattr(exporter, "STARTS_FROM", export["method"])
    reason: str | None = module.refuses(plugins.options(module, quant), first)
    if reason is not None:
        return Refusal(reason if first == export["method"] else f"{export['method']} starts from {first}: {reason}")
    makers = [exporter, plugins.load("exporters", first, config.plugins_dir)]
    makers += [module] if getattr(module, "REWRITES", False) else []
    return _lacking(makers, toolchain)


def _lacking(modules: list[ModuleType], toolchain: str) -> Refusal | None:
    """Return why a toolchain cannot do what some plug-ins do: it has neither one of their packages nor another in its
    place (``INSTEAD``)."""
    for module in modules:
        missing = toolchains.lacking(toolchain, module.PACKAGES, getattr(module, "INSTEAD", {}))
        if missing:
            return Refusal(f"toolchain {toolchain} has no {', '.join(missing)}", "toolchain_lacks")
    return None


def input_size(model: ModelConfig, config: RunConfig) -> int | None:
    """Return the side of the square input in pixels; ``None`` for a custom model whose file decides."""
    if config.task.kind == "digits" and model.source != "custom":
        return model.small_size or model.input_size
    return model.input_size


def _source_nodes(name: str, model: ModelConfig, config: RunConfig) -> Iterator[Node]:
    task, options = asdict(config.task), asdict(model) | {"name": name}
    size = input_size(model, config)
    custom = options if model.source == "custom" else None
    dataset = {"task": task, "size": size, "channels": model.channels, "seed": config.seed, "model": custom}
    if custom is None:
        dataset["channels"] = model.channels or 3
        dataset_id = f"dataset/{config.task.name}/{size}x{dataset['channels']}"
    else:
        dataset_id = f"dataset/{config.task.name}/{name}"
    yield Node(dataset_id, "dataset", dataset, {})
    source = {"model": options, "task": task, "size": size, "seed": config.seed}
    yield Node(f"source/{name}", "source", source, {"dataset": dataset_id})


def _dataset_id(nodes: dict[str, Node]) -> str:
    return next(node.id for node in nodes.values() if node.kind == "dataset")


def _export_nodes(
    name: str,
    quant: str,
    export: str,
    q_options: dict[str, Any],
    e_options: dict[str, Any],
    toolchain: str,
    config: RunConfig,
    nodes: dict[str, Node],
) -> str:
    """Add the nodes of one artifact and of what it is made from; returns the id of the export node."""
    own = {"plugins_dir": config.plugins_dir}
    base = {"dataset": _dataset_id(nodes), "source": f"source/{name}"}
    quantized = _quantize_node(name, quant, q_options, config, nodes)
    needs, plugin = {**base, "quantized": quantized}, ("exporters", e_options["method"])
    options, exporter = {"export": e_options, **own}, plugins.load(*plugin, config.plugins_dir)
    node_id, first = f"export/{name}/{quant}/{export}", getattr(exporter, "STARTS_FROM", None)
    place = getattr(exporter, "TOOLCHAIN", None)
    node_id = node_id if place else _in(toolchain, node_id)
    if first is not None:
        preset, first_options = _preset(first, config)
        needs["artifact"] = _export_nodes(name, quant, preset, q_options, first_options, toolchain, config, nodes)
    elif getattr(plugins.load("quantizers", q_options["method"], config.plugins_dir), "REWRITES", False):
        float_options = _quants(config)[BASELINE]
        needs["artifact"] = _export_nodes(name, BASELINE, export, float_options, e_options, toolchain, config, nodes)
        options["quant"], plugin = q_options, ("quantizers", q_options["method"])
    nodes[node_id] = Node(node_id, "export", options, needs, plugin, place or toolchain)
    return node_id


def _in(toolchain: str, node_id: str) -> str:
    """Return the id of a node that is there once for each toolchain; it ends as that of its cells."""
    return node_id if toolchain == toolchains.DEFAULT else f"{node_id}/{toolchain}"


def _quantize_node(name: str, quant: str, options: dict[str, Any], config: RunConfig, nodes: dict[str, Node]) -> str:
    """Add the node of one quantization and of what it goes on from; returns its id."""
    node_id = f"quantize/{name}/{quant}"
    needs = {"dataset": _dataset_id(nodes), "source": f"source/{name}"}
    module = plugins.load("quantizers", options["method"], config.plugins_dir)
    first = module.starts_from(plugins.options(module, options)) if hasattr(module, "starts_from") else None
    if first is not None:
        first = {"method": options["method"], **first}
        chosen = (preset for preset, one in _quants(config).items() if one == first)
        preset = next(chosen, f"{quant}~{codec.digest(first)[:8]}")
        needs["before"] = _quantize_node(name, preset, first, config, nodes)
    content = {"quant": options, "plugins_dir": config.plugins_dir}
    nodes[node_id] = Node(node_id, "quantize", content, needs, ("quantizers", options["method"]))
    return node_id


def _preset(method: str, config: RunConfig) -> tuple[str, dict[str, Any]]:
    """Return name and options of the chosen export with a method; where none is chosen, its defaults."""
    for name, options in config.export.items():
        if options["method"] == method:
            return name, options
    return method, {"method": method}


def _cells(
    name: str,
    model: ModelConfig,
    quant: str,
    export: str,
    toolchain: str,
    exported: str,
    refusal: Refusal | None,
    config: RunConfig,
    nodes: dict[str, Node],
) -> Iterator[PlannedCell]:
    e_options = config.export[export]
    for runtime, r_options in _readers(e_options, config).items():
        for threads in _threads(config):
            cell = Cell(name, model.family, quant, export, runtime, threads, config.task.name, toolchain)
            options = {
                "model": asdict(model) | {"effective_size": input_size(model, config)},
                "quant": _quants(config)[quant],
                "export": e_options,
                "runtime": r_options,
                "task": asdict(config.task),
                "measure": asdict(config.measure),
                "seed": config.seed,
            }
            evaluate = ""
            own = refusal or _lacking([plugins.load("runtimes", r_options["method"], config.plugins_dir)], toolchain)
            if own is None:
                evaluate = _in(toolchain, f"evaluate/{name}/{quant}/{export}/{runtime}")
                nodes.setdefault(evaluate, _evaluate_node(evaluate, exported, r_options, toolchain, config, nodes))
            yield PlannedCell(cell, options, exported, evaluate, own)


def _readers(export: dict[str, Any], config: RunConfig) -> dict[str, dict[str, Any]]:
    """Return the chosen runtimes that read what an exporter writes."""
    fmt = plugins.load("exporters", export["method"], config.plugins_dir).FORMAT
    return {
        name: options
        for name, options in config.runtime.items()
        if fmt in plugins.load("runtimes", options["method"], config.plugins_dir).READS
    }


def _threads(config: RunConfig) -> list[int]:
    given = config.threads if isinstance(config.threads, list) else [config.threads]
    return list(dict.fromkeys(given))


def _evaluate_node(
    node_id: str, exported: str, r_options: dict[str, Any], toolchain: str, config: RunConfig, nodes: dict[str, Node]
) -> Node:
    """Fidelity and accuracy do not depend on the threads of the cell: one job for all of them."""
    source = next(node.id for node in nodes.values() if node.kind == "source")
    options = {"runtime": r_options, "measure": asdict(config.measure), "plugins_dir": config.plugins_dir}
    needs = {"artifact": exported, "source": source, "dataset": _dataset_id(nodes)}
    needs["quantized"] = nodes[exported].needs["quantized"]
    group, method = nodes[exported].plugin or ("", "")
    if group == "exporters" and hasattr(plugins.load(group, method, config.plugins_dir), "STARTS_FROM"):
        needs["converted_from"] = nodes[exported].needs["artifact"]
    return Node(node_id, "evaluate", options, needs, ("runtimes", r_options["method"]), toolchain)
