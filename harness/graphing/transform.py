"""The verb transform: transforms of a frozen graph, in the classic syntax, and what each of them did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import parser
from harness.errors import StageFailed, UserError
from harness.files import write_atomic
from harness.graphing import _quiet

if TYPE_CHECKING:
    from harness.graph.transforms.run import Transformed

ABOUT = "change a frozen graph: transform IN.pb OUT.pb --transforms 'fold_constants fold_batch_norms'"


def command(args: list[str]) -> int:
    """Read a frozen graph, transform it, write it, and print nodes before and after each transform.

    The exit code is 1 when a gate says no: ``--strict`` or ``--tolerance``.
    """
    given = _words().parse_args(args)
    _quiet.load_tensorflow()
    before, inputs, outputs = _read(given)
    after = _transformed(given, before, inputs, outputs)
    _write(given.out, after.graph_def)
    _tell(before, after)
    near = not (given.check or given.tolerance is not None) or _check(given, before, after, inputs, outputs)
    print(f"written: {given.out}")
    return 0 if near and not (given.strict and after.missed) else 1


def _words() -> argparse.ArgumentParser:
    words = parser("graph", ABOUT)
    words.prog = "harness graph transform"
    words.add_argument("graph", type=Path, help="frozen graph, .pb")
    words.add_argument("out", type=Path, help="file to write")
    words.add_argument("--inputs", default="", help="names with commas; default: the placeholders")
    words.add_argument("--outputs", default="", help="names with commas; default: the nodes that nobody reads")
    asked = words.add_mutually_exclusive_group(required=True)
    asked.add_argument("--transforms", help="'strip_unused_nodes(shape=\"1,224,224,3\") fold_batch_norms …'")
    asked.add_argument("--list", help="deployment, mobile or quantize_weights")
    words.add_argument("--shape", help="of the input, for --list: 1,224,224,3; default: as in the file")
    words.add_argument("--strict", action="store_true", help="exit code 1 when something that should change did not")
    words.add_argument("--check", action="store_true", help="run both graphs on random inputs and compare")
    words.add_argument("--tolerance", type=float, help="with --check: exit code 1 when outputs differ by more")
    words.add_argument("--seed", type=int, default=0, help="of the random inputs")
    return words


def _read(given: argparse.Namespace) -> tuple[Any, list[str], list[str]]:
    """Return the graph in the file and the names of its inputs and outputs."""
    from harness.graph import graph_def as files

    try:
        before = files.load(given.graph)
    except StageFailed as error:
        raise UserError(f"{error}; allowed: a frozen GraphDef, .pb") from error
    return before, _split(given.inputs) or files.inputs(before), _split(given.outputs) or files.outputs(before)


def _transformed(given: argparse.Namespace, before: Any, inputs: list[str], outputs: list[str]) -> Transformed:
    from harness.graph.transforms import lists, run

    if given.list is None and given.shape is not None:
        raise UserError("--shape: allowed with --list; a transform takes it as strip_unused_nodes(shape=…)")
    transforms = given.transforms if given.list is None else lists.named(given.list, _sizes(given.shape))
    return run.transform(before, inputs, outputs, transforms)


def _sizes(shape: str | None) -> list[int] | None:
    try:
        return None if shape is None else [int(size) for size in shape.split(",")]
    except ValueError:
        raise UserError(f"--shape {shape}: allowed: numbers with commas such as 1,224,224,3") from None


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _write(path: Path, graph_def: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, graph_def.SerializeToString(deterministic=True))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; allowed: a file in a writable folder") from error


def _tell(before: Any, after: Transformed) -> None:
    """Print each transform; what should have changed and did not goes to stderr, once."""
    for step in after.steps:
        count = f"{step.nodes_before} → {step.nodes_after} nodes"
        print(f"{step.call}: {count}; " + (f"{step.changed} {step.what}" if step.changed else "changed nothing"))
        for note in (*step.notes, *step.missed):
            print(f"  {note}")
    nodes, size = (len(before.node), len(after.graph_def.node)), (before.ByteSize(), after.graph_def.ByteSize())
    print(f"in all: {nodes[0]} → {nodes[1]} nodes, {size[0]} → {size[1]} bytes")
    for text in after.missed:
        print(f"warning: {text}", file=sys.stderr)
    if after.refused:
        print(f"warning: TensorFlow does not load the result: {after.refused}", file=sys.stderr)


def _check(given: argparse.Namespace, before: Any, after: Transformed, inputs: list[str], outputs: list[str]) -> bool:
    """Print how far apart both graphs are; return whether that is within ``--tolerance``."""
    from harness.graph.transforms.checking import differences

    found = differences(before, after.graph_def, inputs, outputs, given.seed)
    for one in found:
        print(f"on random inputs '{one.output}' differs by at most {one.worst:.3g}, its values reach {one.reach:.3g}")
    most = max(one.worst for one in found)
    if given.tolerance is not None and not most <= given.tolerance:
        print(f"warning: {most:.3g} is more than --tolerance {given.tolerance:g}", file=sys.stderr)
        return False
    return True
