"""Looking inside artifacts without running them, and changing frozen graphs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any


def transform(graph_def: Any, inputs: Sequence[str], outputs: Sequence[str], transforms: str | Sequence[str]) -> Any:
    """Return a frozen graph after ``transforms``, called as ``TransformGraph`` of TensorFlow 1 was.

    Warns of what should have changed and did not, such as a batch normalization that cannot be folded.
    ``harness.graph.transforms.run`` also tells what each transform did. The graph that is given stays as it is.

    Args:
        graph_def: a ``GraphDef`` without variables.
        inputs: names of nodes; they keep their names.
        outputs: names of nodes, or of tensors (``name:1``); they keep their names.
        transforms: in the classic syntax, one text or one for each transform:
            ``'fold_constants(ignore_errors=true) fold_batch_norms'``.

    Raises:
        UserError: unknown transform or argument, a port that does not exist, a broken graph.
    """
    from harness.graph.transforms import run

    done = run.transform(graph_def, inputs, outputs, transforms)
    refused = [f"TensorFlow does not load the result: {done.refused}"] if done.refused else []
    for text in (*done.missed, *refused):
        warnings.warn(text, stacklevel=2)
    return done.graph_def
