"""Compute what does not depend on any input once, with TensorFlow's own kernels, and keep the results.

Random numbers, variables and custom operators are not touched, nor is Dequantize: it keeps weights small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.graph.graph_def import FLOW, INPUTS, is_stateful, order, source
from harness.graph.transforms import values
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.values import Array
from harness.graph.transforms.work import Work

_NEVER = (*INPUTS, *FLOW, "Dequantize")
ROOM = 1 << 20
"""Bytes that results may be larger than the constants they are made from."""
LARGEST = 1 << 30
"""Bytes of the largest value on the way to a result."""


@dataclass
class Options:
    """``ignore_errors``: leave what TensorFlow cannot compute; ``clear_output_shapes``: take stored shapes out."""

    ignore_errors: bool = False
    clear_output_shapes: bool = False


def apply(work: Work, options: Options) -> Outcome:
    """Replace every largest subgraph that is constant. Raises ``UserError`` for what TensorFlow cannot compute."""
    foldable = _foldable(work)
    wanted = _border(work, foldable)
    part = _part(work, foldable)
    found, failed = _computed(part, wanted)
    if failed and not options.ignore_errors:
        raise UserError(f"{failed[0]}; allowed: ignore_errors=true")
    notes = _give_up_large(found, part.ByteSize() + ROOM)
    for tensor, value in found.items():
        _replace(work, tensor, value)
    kept = {source(tensor) for tensor in wanted if tensor not in found}
    gone = work.drop_unread(name for name in foldable if name not in kept)
    if not wanted and not gone:
        notes.append("nothing is constant but constants themselves")
    for node in work.nodes.values() if options.clear_output_shapes else ():
        node.attr.pop("_output_shapes", None)
    return Outcome(len(found) + gone, "nodes computed or no longer needed", tuple(notes), tuple(failed))


def _foldable(work: Work) -> set[str]:
    """Return the nodes that give the same result each time, whatever goes in."""
    found: set[str] = set()
    for node in order(list(work.nodes.values())):
        if node.op in _NEVER or node.name in work.inputs or is_stateful(node) is not False:
            continue
        if all(source(read) in found for read in node.input):
            found.add(node.name)
    return found


def _border(work: Work, foldable: set[str]) -> list[str]:
    """Return the constant tensors that something not constant reads, or that come out; not constants themselves."""
    reads = [read for node in work.nodes.values() if node.name not in foldable for read in node.input]
    outer = dict.fromkeys(values.port(read) for read in [*reads, *work.outputs] if not read.startswith("^"))
    border = [t for t in outer if source(t) in foldable and work.nodes[source(t)].op not in ("Const", "NoOp")]
    several = {source(tensor) for tensor in border if not tensor.endswith(":0")}
    return [t for t in border if source(t) not in several or source(t) not in work.ports]  # an output keeps its name


def _part(work: Work, foldable: set[str]) -> Any:
    """Return the constant nodes as a graph of their own."""
    part = work.graph_def()
    kept = [node for node in work.nodes.values() if node.name in foldable]
    del part.node[:]
    part.node.extend(kept)
    return part


def _computed(part: Any, wanted: list[str]) -> tuple[dict[str, Array], list[str]]:
    """Return tensor → value, and what TensorFlow said of those that it cannot compute."""
    import tensorflow as tf

    errors = (tf.errors.OpError, ValueError, TypeError)
    try:
        return dict(zip(wanted, values.run(part, {}, wanted, LARGEST) if wanted else [], strict=True)), []
    except errors:
        pass  # now one by one, each without the others, to know which
    found: dict[str, Array] = {}
    failed: list[str] = []
    for tensor in wanted:
        try:
            alone = tf.compat.v1.graph_util.extract_sub_graph(part, [source(tensor)])
            found[tensor] = values.run(alone, {}, [tensor], LARGEST)[0]
        except errors as error:
            failed.append(f"cannot compute '{tensor}': {' '.join(str(error).split())[:200]}")
    return found, failed


def _give_up_large(found: dict[str, Array], most: int) -> list[str]:
    """Take out results that would make the file much larger than what they are made from; say which."""
    large = [tensor for tensor, value in found.items() if value.nbytes > most]
    return [f"'{tensor}' would take {found.pop(tensor).nbytes} bytes and is left" for tensor in large]


def _replace(work: Work, tensor: str, value: Array) -> None:
    """Put a constant in the place of a tensor; that of a node's only result keeps the node's name."""
    name, _, port = tensor.partition(":")
    reads = {read for node in work.nodes.values() for read in node.input if source(read) == name}
    if port == "0" and reads <= {name, tensor, f"^{name}"}:
        work.nodes[name] = values.const_node(name, value)
        return
    made = values.const_node(work.free(f"{name}_{port}"), value)
    work.add(made, before=name)
    work.redirect({tensor: made.name, **({name: made.name} if port == "0" else {})})
