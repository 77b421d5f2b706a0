"""tf2onnx with its memory under control, and what is checked in every file that comes out of it.

``tf2onnx.convert`` deep-copies the graph before every optimizer pass so that it can undo a pass that throws;
with ``catch_errors=False`` there is no copy, which takes a third of time and memory away (ResNet50: 6.1 → 4.1 GB).
After every pass it also writes all weights anew into messages whose old content is freed only at the end; writing
them once, at the end, gives the same file with 2.7 GB instead of 4.5 (ResNet50 at 224, process peak).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from harness.errors import StageFailed

HARD_SWISH_SINCE = 14
TF2ONNX_OPSETS = (13, 18)
"""The lowest that has scales per channel, and the highest that tf2onnx writes."""


def convert(parse: Callable[[], Any]) -> Any:
    """Return the optimized ONNX model of what ``parse`` returns: tf2onnx's graph, not optimized yet.

    A pass of tf2onnx's optimizer that cannot take the graph (the one for transposes, at a bias that is one number:
    MobileNetV3's hard-swish) leaves it half changed. Then tf2onnx's own way is gone, which copies the graph before
    every pass and leaves out the one that failed.
    """
    import logging

    try:
        made = _optimized(parse(), careful=False)
    except Exception:
        logging.getLogger(__name__).warning("an optimizer pass failed; once more, without it", exc_info=True)
        made = _optimized(parse(), careful=True)
    return made.make_model("converted by the harness with tf2onnx")


def _optimized(made: Any, *, careful: bool) -> Any:
    from tf2onnx import optimizer

    if not careful:
        made.update_proto = _later  # on this one graph, as long as the optimizer works on it
    made = optimizer.optimize_graph(made, catch_errors=careful)
    if _drop_idle_reshapes(made):
        made = optimizer.optimize_graph(made, catch_errors=careful)
    vars(made).pop("update_proto", None)
    return made


def _drop_idle_reshapes(made: Any) -> int:
    """Take away reshapes that change no shape, where values are rounded; return how many.

    Of a transpose of 1×1 maps tf2onnx makes such a reshape. ONNX Runtime looks for roundings right at a convolution,
    and computes it in float when there is something between (MobileNet at 32 px: 4 of 28).
    """
    nodes = made.get_nodes()
    if all(node.type != "DequantizeLinear" for node in nodes):
        return 0
    idle = [
        node
        for node in nodes
        if node.type == "Reshape"
        and node.output[0] not in made.outputs
        and (shape := made.get_shape(node.input[0])) is not None
        and shape == made.get_shape(node.output[0])
        and shape.count(-1) < 2  # of two unknown sides one may have grown by what the other lost
    ]
    for node in idle:
        made.replace_all_inputs(node.output[0], node.input[0])
        made.remove_node(node.name)
    return len(idle)


def _later(*_: Any) -> None:
    """Stand in for ``Graph.update_proto`` between optimizer passes: ``make_model`` calls the real one at the end."""


def spell_hard_swish(proto: Any, opset: int) -> int:
    """Write HardSwish as x · HardSigmoid(x) below opset 14, which knows no other; return how many there were.

    tf2onnx gives TFLite's HARD_SWISH the newer name at any opset.
    """
    from onnx import helper

    if opset >= HARD_SWISH_SINCE:
        return 0
    nodes, changed = [], 0
    for node in proto.graph.node:
        if node.op_type != "HardSwish" or node.domain not in ("", "ai.onnx"):
            nodes.append(copy(node))
            continue
        changed += 1
        gate = f"{node.output[0]}__gate"
        nodes.append(helper.make_node("HardSigmoid", node.input, [gate], name=gate, alpha=1 / 6, beta=0.5))
        nodes.append(helper.make_node("Mul", [node.input[0], gate], node.output, name=node.name))
    if changed:
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
    return changed


def write(proto: Any, path: Path) -> None:
    """Write a model and check the file. Raises as ``check`` does."""
    import onnx

    onnx.save_model(proto, str(path))
    check(path)


@contextlib.contextmanager
def prepared(artifact: Path, out: Path) -> Iterator[str]:
    """Give the file after ONNX Runtime's pre-processing for quantization (folding, shapes); gone when this ends."""
    from onnxruntime import quantization as ort

    with tempfile.TemporaryDirectory(dir=out) as folder:
        file = str(Path(folder, "prepared.onnx"))
        ort.quant_pre_process(str(artifact), file, skip_symbolic_shape=True)
        yield file


def check(path: Path) -> None:
    """Check operators, their types, and shapes, inferred strictly.

    Raises ``onnx.checker.ValidationError`` or ``onnx.shape_inference.InferenceError``.
    """
    import onnx

    onnx.checker.check_model(str(path), full_check=True)


def signature(path: Path) -> tuple[int, list[str], list[str]]:
    """Return the opset that a file declares, and the names of its inputs and outputs."""
    import onnx

    proto = onnx.load(str(path), load_external_data=False)
    constants = {item.name for item in proto.graph.initializer}
    opset = {entry.domain: entry.version for entry in proto.opset_import}.get("", 0)
    inputs = [item.name for item in proto.graph.input if item.name not in constants]
    return opset, inputs, [item.name for item in proto.graph.output]


def verify(path: Path, opset: int, inputs: Sequence[str], outputs: Sequence[str]) -> int:
    """Return the opset of a file that declares what was asked for.

    Raises:
        StageFailed: ``wrong_opset``, ``lost_names``.
    """
    declared, found, given = signature(path)
    if declared != opset:
        raise StageFailed(f"the file declares opset {declared}, asked for {opset}", "wrong_opset")
    if sorted(found) != sorted(inputs) or sorted(given) != sorted(outputs):
        asked = f"asked for {list(inputs)} and {list(outputs)}"
        raise StageFailed(f"in the file the inputs are {found}, the outputs {given}; {asked}", "lost_names")
    return declared
