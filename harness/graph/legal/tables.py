"""The tables of names, one file for each framework: what an operator is called here, and how a fused one unfolds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

FORMATS = {
    "tflite": "tflite",
    "onnx": "onnx",
    "saved_model": "tensorflow",
    "frozen": "tensorflow",
    "tfjs": "tfjs",
    "keras": "keras",
}
"""Format of a graph → table."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a raw operator is."""

    legal: str
    """Empty where the recipe knows it."""
    recipe: str = "renamed"
    layout: str = ""
    """Dimensions of a kernel: H, W, D; I in (of a group), O out, M out for each in, 1 nothing."""
    activation: str = ""
    order: tuple[int, ...] = ()
    """Places of scale, shift, mean and variance, where they are not 1 to 4."""
    versions: tuple[int, int] = (0, 10**6)
    """First and last opset."""

    def is_in(self, opset: int | None) -> bool:
        """Return whether a file of this opset may have the operator; without an opset it may."""
        return opset is None or self.versions[0] <= opset <= self.versions[1]


@cache
def kinds() -> Mapping[str, str]:
    """Return legal name → kind."""
    content = _content("vocabulary")
    return {str(name): kind for kind, names in content.items() for name in names}


@cache
def table(framework: str) -> Mapping[str, Entry]:
    """Return raw operator → entry."""
    content = _content(framework)
    found = dict(table(content["extends"])) if "extends" in content else {}
    versions = {name: (first, last) for name, (first, last) in (content.get("versions") or {}).items()}
    for legal, names in (content.get("renamed") or {}).items():
        found |= {name: Entry(legal, versions=versions.get(name, (0, 10**6))) for name in names}
    for name, given in (content.get("recipes") or {}).items():
        fields = {"legal": ""} | given
        order = tuple(fields.pop("order", ()))
        found[name] = Entry(**fields, order=order, versions=versions.get(name, (0, 10**6)))
    return found


def entry(format: str, op: str) -> Entry | None:
    """Return what an operator is in a format, None for one that the table has not."""
    return table(FORMATS[format]).get(op) if format in FORMATS else None


def _content(name: str) -> dict[str, Any]:
    import yaml

    text = files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
