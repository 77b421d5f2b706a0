"""An exporter of one's own, as a user would write it; here it only names a fault."""

from __future__ import annotations

from dataclasses import dataclass

PACKAGES: tuple[str, ...] = ()
FORMAT = "tflite"
MEMORY_PER_WEIGHT_BYTE = 1.0


@dataclass
class Options:
    kind: str = "good"


def export(model: object, options: Options, out: object) -> None:
    """Never called: a stand-in for the stage ``export`` does the fault."""
    raise AssertionError("the real stage was run")
