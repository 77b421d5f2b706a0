"""ONNX through tf2onnx from a frozen graph.

A model that was trained for int8 comes as it was trained: roundings between operators, and float kernels that lie on
an int8 grid. ``harness.qdq.kernels`` writes them as int8 with a scale for each channel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness import freezing
from harness.errors import Unsupported
from harness.exporters.contract import Artifact, Model
from harness.records import Value

PACKAGES: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx", "numpy")
FORMAT = "onnx"
MEMORY_PER_WEIGHT_BYTE = 20.0


@dataclass
class Options:
    """See ``conf/export/onnx.yaml``."""

    opset: int = field(default=13, metadata={"min": 13, "max": 18})
    trained_kernels: Literal["int8", "float"] = "int8"


def export(model: Model, options: Options, out: Path) -> Artifact:
    """Convert, check with ``onnx.checker`` and verify opset and names in the file that was written.

    Raises:
        Unsupported: ``name_clash``.
        StageFailed: ``wrong_opset``, ``lost_names``; and what tf2onnx and the checker raise.
    """
    from harness import to_onnx

    graph_def, inputs, outputs = freeze(model.saved_model)
    if twice := sorted(inputs.keys() & outputs.keys()):
        raise Unsupported(f"in ONNX no input and output can share the name {', '.join(twice)}", "name_clash")
    proto = to_onnx.convert(functools.partial(_parse, graph_def, inputs, outputs, options.opset))
    del graph_def
    values: dict[str, Value] = {}
    if model.recipe.get("on_grid"):
        values = _as_trained(proto, options)
    path = out / "model.onnx"
    to_onnx.write(proto, path)
    del proto
    return Artifact("model.onnx", values | {"opset": to_onnx.verify(path, options.opset, list(inputs), list(outputs))})


def _as_trained(proto: Any, options: Options) -> dict[str, Value]:
    """Write the kernels of a model that was trained for int8 as asked; say what the file holds."""
    from harness.qdq import kernels, own_zeros, rounded

    rounded.apply(proto)
    if options.trained_kernels == "float":
        return {"form": "float32 kernels on an int8 grid, between roundings to uint8"}
    found = kernels.apply(proto)
    own_zeros.apply(proto)
    left = len(found.floating)
    form = "int8 kernels with a scale for each channel, between roundings to uint8"
    return {"form": form + (f"; {left} kernels are on no grid and stay float32" if left else "")}


def freeze(saved_model: Path) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Return (GraphDef with constants, optimized, input name → tensor name, output name → tensor name)."""
    import tensorflow as tf
    from tf2onnx import tf_loader

    graph_def, inputs, outputs = freezing.freeze(saved_model)
    with tf.Graph().as_default():  # Grappler's meta graph cannot be made in eager mode
        graph_def = tf_loader.tf_optimize(list(inputs.values()), list(outputs.values()), graph_def)
    return graph_def, inputs, outputs


def _parse(graph_def: Any, inputs: dict[str, str], outputs: dict[str, str], opset: int) -> Any:
    """Return tf2onnx's graph, not optimized yet, its inputs and outputs under their readable names."""
    import tensorflow as tf
    from tf2onnx import tf_loader, tfonnx

    rename = {tensor: name for name, tensor in (inputs | outputs).items()}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf_loader.tf_session(graph=graph):
            return tfonnx.process_tf_graph(
                graph,
                opset=opset,
                input_names=list(inputs.values()),
                output_names=list(outputs.values()),
                tensors_to_rename=rename,
            )
