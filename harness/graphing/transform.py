"""The command ``graph transform``: transforms of a frozen graph, in the classic syntax, and what each of them did."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli import parser
from harness.errors import StageFailed, UserError, did_you_mean
from harness.files import write_atomic

VERBS = ("transform",)


def graph_command(args: list[str]) -> int:
    """Do what the first word says."""
    if not args or args[0] not in VERBS:
        given = args[0] if args else ""
        raise UserError(f"graph: '{given}' is nothing that can be done with a graph; {did_you_mean(given, VERBS)}")
    return transform_command(args[1:])


def transform_command(args: list[str]) -> int:
    """Read a frozen graph, transform it, write it, and print nodes before and after each transform."""
    given = _words().parse_args(args)
    before, after, inputs, outputs = _transformed(given)
    try:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(given.out, after.graph_def.SerializeToString(deterministic=True))
    except OSError as error:
        raise UserError(f"{given.out}: cannot be written: {error.strerror}") from error
    _tell(before, after)
    if given.check:
        for name, worst in differences(before, after.graph_def, inputs, outputs, given.seed).items():
            print(f"on random inputs, '{name}' differs by at most {worst:.3g}")
    print(f"written: {given.out}")
    return 0


def _words() -> argparse.ArgumentParser:
    words = parser("graph")
    words.prog = "harness graph transform"
    words.add_argument("graph", type=Path, help="frozen graph, .pb")
    words.add_argument("out", type=Path, help="file to write")
    words.add_argument("--inputs", default="", help="names with commas; default: the placeholders")
    words.add_argument("--outputs", default="", help="names with commas; default: the nodes that nobody reads")
    asked = words.add_mutually_exclusive_group(required=True)
    asked.add_argument("--transforms", help="'strip_unused_nodes(shape=\"1,224,224,3\") fold_batch_norms …'")
    asked.add_argument("--list", help="deployment, mobile or quantize_weights, with --shape")
    words.add_argument("--shape", help="of the input, for --list: 1,224,224,3")
    words.add_argument("--check", action="store_true", help="run both graphs on random inputs and compare")
    words.add_argument("--seed", type=int, default=0, help="of the random inputs")
    return words


def _transformed(given: argparse.Namespace) -> tuple[Any, Any, list[str], list[str]]:
    """Return the graph, what became of it, and the names of its inputs and outputs."""
    from harness import graph
    from harness.graph import graph_def as files

    transforms = given.transforms if given.list is None else _listed(given.list, given.shape)
    try:
        before = files.load(given.graph)
    except StageFailed as error:
        raise UserError(str(error)) from error
    inputs = _split(given.inputs) or files.inputs(before)
    outputs = _split(given.outputs) or files.outputs(before)
    return before, graph.transform(before, inputs, outputs, transforms), inputs, outputs


def _listed(name: str, shape: str | None) -> str:
    from harness.graph.transforms import lists

    try:
        sizes = [int(size) for size in (shape or "").split(",")]
    except ValueError:
        raise UserError(f"--shape {shape}: allowed with --list: numbers with commas such as 1,224,224,3") from None
    return lists.named(name, sizes)


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _tell(before: Any, after: Any) -> None:
    for step in after.steps:
        count = f"{step.nodes_before} → {step.nodes_after} nodes"
        print(f"{step.call}: {count}; " + (f"{step.changed} {step.what}" if step.changed else "changed nothing"))
        for note in step.notes:
            print(f"  {note}")
    nodes, size = (len(before.node), len(after.graph_def.node)), (before.ByteSize(), after.graph_def.ByteSize())
    print(f"in all: {nodes[0]} → {nodes[1]} nodes, {size[0]} → {size[1]} bytes")
    if after.refused:
        print(f"TensorFlow does not load the result: {after.refused}")


def differences(before: Any, after: Any, inputs: list[str], outputs: list[str], seed: int) -> dict[str, float]:
    """Return output → largest absolute difference of two graphs on the same random inputs.

    Raises:
        UserError: TensorFlow cannot run one of them.
    """
    import numpy as np
    import tensorflow as tf

    from harness.graph.transforms import values

    nodes = {node.name: node for node in after.node}
    kept = [name for name in inputs if name in nodes]
    random = np.random.default_rng(seed)
    feeds = {name: _random(nodes[name], random) for name in kept}
    try:
        first, second = values.run(before, feeds, outputs), values.run(after, feeds, outputs)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UserError(f"--check: TensorFlow cannot run it: {' '.join(str(error).split())[:300]}") from error
    pairs = zip(outputs, first, second, strict=True)
    return {name: float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()) for name, a, b in pairs}


def _random(node: Any, random: Any) -> Any:
    """Return a random value for a placeholder; a dimension of any size is 1, integers are 0…126."""
    import tensorflow as tf

    shape = [max(1, dim.size) for dim in node.attr["shape"].shape.dim]
    dtype = tf.as_dtype(node.attr["dtype"].type).as_numpy_dtype
    made = random.normal(size=shape) if tf.as_dtype(dtype).is_floating else random.integers(0, 127, shape)
    return made.astype(dtype)
