"""Frozen graph: one ``.pb`` with everything in it, inputs and outputs named as in the signature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import Unsupported
from harness.exporters.contract import Artifact, Model

PACKAGES: tuple[str, ...] = ("tensorflow",)
FORMAT = "frozen"
MEMORY_PER_WEIGHT_BYTE = 8.0


@dataclass
class Options:
    """Nothing to set."""


def export(model: Model, options: Options, out: Path) -> Artifact:  # noqa: ARG001 - the contract of an exporter
    """Write ``model.pb``.

    Raises:
        Unsupported: ``no_such_form``, ``name_clash``, ``illegal_name``, ``too_large`` (2 GB is a protobuf's limit).
    """
    from harness import freezing

    if model.recipe["scheme"] != "none" and "saved_model" not in model.recipe:
        raise Unsupported(f"{model.recipe['scheme']} has no form in a frozen graph", "no_such_form")
    graph_def, inputs, outputs = freezing.freeze(model.saved_model)
    freezing.name_ports(graph_def, inputs, outputs)
    if graph_def.ByteSize() >= 2**31:
        raise Unsupported(f"a graph of {graph_def.ByteSize()} bytes; one file holds 2 GB", "too_large")
    (out / "model.pb").write_bytes(graph_def.SerializeToString(deterministic=True))
    return Artifact("model.pb", {})
