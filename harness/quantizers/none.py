"""No quantization: the float baseline that everything is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ()


@dataclass
class Options:
    """Nothing to set."""


def refuses(options: Options, export: str) -> str | None:  # noqa: ARG001 - the contract of a quantizer
    """Float models go through every exporter."""
    return None


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return settings that leave the model as it is."""
    return {"scheme": "none"}
