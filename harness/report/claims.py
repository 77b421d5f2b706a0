"""What the old table claimed: ``old_table.yaml`` as dataclasses, nothing measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.validate import validated

FILE = Path(__file__).with_name("old_table.yaml")


@dataclass(frozen=True)
class Row:
    """One row of the old table, its fields as they stood there; empty: nothing was claimed."""

    named: str
    models: list[str]
    quantization: str
    fp32_onnx: str
    quantized_onnx: str
    opset: str


@dataclass(frozen=True)
class Variant:
    """One row of the old pruning table."""

    named: str
    quant: str
    latency_s: float
    latency_ratio: float
    size_mb: float
    size_ratio: float
    latency_cause: str = ""
    """Likely reason why the ratio is not found again; empty for the original."""
    size_cause: str = ""


@dataclass(frozen=True)
class Pruning:
    """The old pruning table, of one model."""

    model: str
    rows: list[Variant]


@dataclass(frozen=True)
class OldTable:
    """All of it."""

    support: list[Row]
    pruning: Pruning

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models in the order of the old table."""
        return tuple(model for row in self.support for model in row.models)


@cache
def old_table() -> OldTable:
    """Return the claims."""
    import yaml

    return checked(yaml.safe_load(FILE.read_text("utf-8")))


def checked(plain: object) -> OldTable:
    """Return plain claims as they should be. Raises ``UserError``."""
    return validated(plain, OldTable, FILE.name)
