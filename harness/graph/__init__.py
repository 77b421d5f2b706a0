"""Looking inside artifacts without running them, and changing frozen graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.graph.transforms.run import Transformed


def transform(graph_def: Any, inputs: Sequence[str], outputs: Sequence[str], transforms: str) -> Transformed:
    """Return a frozen graph after ``transforms``, written as for the Graph Transform Tool of TensorFlow 1.

    See ``harness.graph.transforms.run.transform``; the graph that is given stays as it is.
    """
    from harness.graph.transforms import run

    return run.transform(graph_def, inputs, outputs, transforms)
