"""Read a frozen graph: as the one signature of a SavedModel, with placeholders and unread nodes as its ports."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StageFailed
from harness.graph import graph_def as files
from harness.graph import saved_model
from harness.graph.model import Graph


def read(path: Path) -> Graph:
    """Return what the ``.pb`` file at ``path`` computes.

    Raises:
        StageFailed: ``broken_file``.
    """
    from tensorflow.core.protobuf import meta_graph_pb2

    found = files.load(path)
    meta = meta_graph_pb2.MetaGraphDef(graph_def=found)
    signature = meta.signature_def[saved_model.SIGNATURE]
    nodes = {node.name: node for node in found.node}
    for name in files.inputs(found):
        info = signature.inputs[name]
        info.name, info.dtype = f"{name}:0", nodes[name].attr["dtype"].type
        info.tensor_shape.CopyFrom(nodes[name].attr["shape"].shape)
    for name in files.outputs(found):
        signature.outputs[name].name = f"{name}:0"
    try:
        return saved_model.read_meta(meta, "frozen")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound graph: {error}", "broken_file") from error
