"""A SavedModel's signature as one graph: variables as constants, functions inlined, inputs and outputs by name."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import Unsupported
from harness.graph.graph_def import dtype, order, rename, renamed, source

_LEGAL = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


def freeze(saved_model: Path) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Return (GraphDef with constants, input name → tensor name, output name → tensor name)."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(saved_model))
    function = loaded.signatures["serving_default"]
    _, keywords = function.structured_input_signature
    names = sorted(function.structured_outputs)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    inputs = {k: t.name for k, t in zip(sorted(keywords), frozen.inputs, strict=True)}
    outputs = {k: t.name for k, t in zip(names, frozen.outputs, strict=True)}
    graph_def = frozen.graph.as_graph_def(add_shapes=True)
    _put_in_order(graph_def)
    return graph_def, inputs, outputs


def _put_in_order(graph_def: Any) -> None:
    """Put nodes after what they read, else by name: TensorFlow's order is another one each time."""
    nodes = order(sorted(graph_def.node, key=lambda node: str(node.name)))
    kept = [copy.deepcopy(node) for node in nodes]
    del graph_def.node[:]
    graph_def.node.extend(kept)


def name_ports(graph_def: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Give placeholders and outputs of a GraphDef, in place, the names that are the keys of ``inputs``, ``outputs``.

    The values are names of tensors, ``node:0``. A node inside that has one of the names gives it away; outputs are
    ``Identity`` nodes that nobody reads, so that a file says by itself what comes out.

    Raises:
        Unsupported: ``name_clash``, ``illegal_name``.
    """
    _require_names(inputs, outputs)
    nodes = {node.name: node for node in graph_def.node}
    new = {source(tensor): name for name, tensor in inputs.items()}
    uses = Counter(source(read) for node in graph_def.node for read in node.input)
    uses.update(source(tensor) for tensor in outputs.values())
    for name, tensor in outputs.items():
        if nodes[source(tensor)].op == "Identity" and uses[source(tensor)] == 1:
            new[source(tensor)] = name
    taken = set(nodes) | inputs.keys() | outputs.keys()
    for name in (inputs.keys() | outputs.keys()) & (nodes.keys() - new.keys()):
        new[name] = _free(f"{name}_inside", taken)
    rename(graph_def.node, new)
    for name, tensor in outputs.items():
        if new.get(source(tensor)) != name:
            _add_identity(graph_def, name, renamed(tensor, new))


def _require_names(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    if twice := sorted(inputs.keys() & outputs.keys()):
        raise Unsupported(f"in a graph no input and output can share the name {', '.join(twice)}", "name_clash")
    if bad := sorted(name for name in inputs.keys() | outputs.keys() if not _LEGAL.fullmatch(name)):
        raise Unsupported(
            f"no name for a node of a graph: {', '.join(map(repr, bad))}; allowed: letters, digits and _ . / > -",
            "illegal_name",
        )


def _free(name: str, taken: set[str]) -> str:
    """Return ``name``, or with a number behind it, and take it."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free


def _add_identity(graph_def: Any, name: str, tensor: str) -> None:
    """Append ``name``, which gives what ``tensor`` is."""
    before = next(node for node in graph_def.node if node.name == source(tensor))
    port = int(tensor.partition(":")[2] or 0)
    made = graph_def.node.add(name=name, op="Identity", input=[tensor if port else before.name])
    made.attr["T"].type = dtype(before, port)
    shapes = before.attr["_output_shapes"].list.shape if "_output_shapes" in before.attr else ()
    if port < len(shapes):
        made.attr["_output_shapes"].list.shape.add().CopyFrom(shapes[port])
