"""Read a frozen graph: as the one signature of a SavedModel, with placeholders and unread nodes as its ports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.errors import StageFailed
from harness.graph import graph_def as files
from harness.graph import saved_model
from harness.graph import tensorflow_shapes as shapes
from harness.graph.model import Graph
from harness.graph.tensorflow_constants import StoredConstants


def read(path: Path) -> Graph:
    """Return what the ``.pb`` file at ``path`` computes.

    Raises:
        StageFailed: ``broken_file``.
    """
    from tensorflow.core.protobuf import meta_graph_pb2

    found, read = files.load_slim(path)
    shapes.infer(found, lambda node: read.value(node.attr["value"].tensor.tensor_content) is None)
    meta = meta_graph_pb2.MetaGraphDef(graph_def=found)
    saved_model.add_signature(meta)
    try:
        return replace(saved_model.read_meta(meta, "frozen", StoredConstants(read)), signatures=())
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound graph: {error}", "broken_file") from error
