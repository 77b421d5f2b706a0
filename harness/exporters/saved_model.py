"""SavedModel: the source of all other formats, copied as it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Unsupported
from harness.exporters.contract import Artifact, Model

PACKAGES: tuple[str, ...] = ("tensorflow",)
FORMAT = "saved_model"
MEMORY_PER_WEIGHT_BYTE = 4.0


@dataclass
class Options:
    """Nothing to set."""


def export(model: Model, options: Options, out: Path) -> Artifact:  # noqa: ARG001 - the contract of an exporter
    """Copy the shared SavedModel."""
    if model.recipe["scheme"] != "none" and "saved_model" not in model.recipe:
        raise Unsupported(f"{model.recipe['scheme']} has no form in a SavedModel", "no_such_form")
    shutil.copytree(model.saved_model, out / "saved_model")
    return Artifact("saved_model", {})
