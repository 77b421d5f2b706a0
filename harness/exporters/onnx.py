"""ONNX through tf2onnx from a frozen graph, with the memory of tf2onnx under control.

``tf2onnx.convert`` deep-copies the graph before every optimizer pass so that it can undo a pass that throws;
with ``catch_errors=False`` there is no copy, which takes a third of time and memory away (ResNet50: 6.1 → 4.1 GB).
After every pass it also writes all weights anew into messages whose old content is freed only at the end; writing
them once, at the end, gives the same file with 2.7 GB instead of 4.5 (ResNet50 at 224, process peak).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import StageFailed, Unsupported
from harness.exporters.contract import Artifact, Model

PACKAGES: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx", "numpy")
FORMAT = "onnx"
MEMORY_PER_WEIGHT_BYTE = 20.0


@dataclass
class Options:
    """``opset`` is what the file declares and what is checked in it."""

    opset: int = field(default=13, metadata={"min": 13, "max": 18})


def export(model: Model, options: Options, out: Path) -> Artifact:
    """Convert, check with ``onnx.checker`` and verify opset and names in the file that was written.

    Raises:
        Unsupported: ``name_clash``.
        StageFailed: ``wrong_opset``, ``lost_names``; and what tf2onnx and the checker raise.
    """
    import onnx

    graph_def, inputs, outputs = freeze(model.saved_model)
    if twice := sorted(inputs.keys() & outputs.keys()):
        raise Unsupported(f"in ONNX no input and output can share the name {', '.join(twice)}", "name_clash")
    proto = convert(graph_def, inputs, outputs, options.opset)
    del graph_def
    path = out / "model.onnx"
    onnx.save_model(proto, str(path))
    del proto
    onnx.checker.check_model(str(path), full_check=True)
    declared = _verify(path, options.opset, list(inputs), list(outputs))
    return Artifact("model.onnx", {"opset": declared})


def freeze(saved_model: Path) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Return (GraphDef with constants, input name → tensor name, output name → tensor name)."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    from tf2onnx import tf_loader

    loaded = tf.saved_model.load(str(saved_model))
    function = loaded.signatures["serving_default"]
    _, keywords = function.structured_input_signature
    names = sorted(function.structured_outputs)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    inputs = {k: t.name for k, t in zip(sorted(keywords), frozen.inputs, strict=True)}
    outputs = {k: t.name for k, t in zip(names, frozen.outputs, strict=True)}
    graph_def = frozen.graph.as_graph_def(add_shapes=True)
    del frozen, function, loaded
    with tf.Graph().as_default():  # Grappler's meta graph cannot be made in eager mode
        graph_def = tf_loader.tf_optimize(list(inputs.values()), list(outputs.values()), graph_def)
    return graph_def, inputs, outputs


def convert(graph_def: Any, inputs: dict[str, str], outputs: dict[str, str], opset: int) -> Any:
    """Return the ONNX model of a frozen graph, its inputs and outputs under their readable names.

    A pass of tf2onnx's optimizer that cannot take the graph (the one for transposes, at a bias that is one number:
    MobileNetV3's hard-swish) leaves it half changed. Then tf2onnx's own way is gone, which copies the graph before
    every pass and leaves out the one that failed.
    """
    import logging

    from tf2onnx import optimizer

    made = _parse(graph_def, inputs, outputs, opset)
    try:
        made.update_proto = _later  # on this one graph, as long as the optimizer works on it
        made = optimizer.optimize_graph(made, catch_errors=False)
        vars(made).pop("update_proto", None)
    except Exception:
        logging.getLogger(__name__).warning("an optimizer pass failed; once more, without it", exc_info=True)
        made = optimizer.optimize_graph(_parse(graph_def, inputs, outputs, opset), catch_errors=True)
    return made.make_model("converted by the harness with tf2onnx")


def _parse(graph_def: Any, inputs: dict[str, str], outputs: dict[str, str], opset: int) -> Any:
    """Return tf2onnx's graph, not optimized yet."""
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


def _later(*_: Any) -> None:
    """Stand in for ``Graph.update_proto`` between optimizer passes: ``make_model`` calls the real one at the end."""


def _verify(path: Path, opset: int, inputs: list[str], outputs: list[str]) -> int:
    import onnx

    proto = onnx.load(str(path), load_external_data=False)
    declared = {entry.domain: entry.version for entry in proto.opset_import}.get("")
    if declared != opset:
        raise StageFailed(f"the file declares opset {declared}, asked for {opset}", "wrong_opset")
    found = [i.name for i in proto.graph.input], [o.name for o in proto.graph.output]
    if sorted(found[0]) != sorted(inputs) or sorted(found[1]) != sorted(outputs):
        raise StageFailed(f"inputs and outputs are named {found}, expected {inputs} and {outputs}", "lost_names")
    return opset
