"""Run transforms in the order given, and say what each of them did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.graph import graph_def as files
from harness.graph.transforms import arguments, syntax
from harness.graph.transforms.work import Work


@dataclass(frozen=True, slots=True)
class Step:
    """One transform that was run."""

    call: str
    """As it was asked for, in the classic syntax."""
    nodes_before: int
    nodes_after: int
    changed: int
    """0: it changed nothing."""
    what: str
    """What ``changed`` counts."""
    notes: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    """What should have changed and did not, and why."""


@dataclass(frozen=True, slots=True)
class Transformed:
    """A graph after transforms."""

    graph_def: Any
    steps: tuple[Step, ...]
    refused: str | None = None
    """What TensorFlow says when it cannot import the graph (a custom operator, an attribute that is gone)."""

    @property
    def missed(self) -> tuple[str, ...]:
        """What should have changed in any step and did not, each once."""
        return tuple(dict.fromkeys(text for step in self.steps for text in step.missed))


def transform(
    graph_def: Any, inputs: Sequence[str], outputs: Sequence[str], transforms: str | Sequence[str]
) -> Transformed:
    """Return a copy of a ``GraphDef`` after ``transforms``, in the classic syntax (see ``syntax``; ``lists`` has some).

    ``inputs`` and ``outputs`` are names of nodes, outputs also of tensors (``name:1``); they keep their names.

    Raises:
        UserError: unknown transform or argument (before anything is done), a port that does not exist, a broken graph.
    """
    calls = syntax.parse(transforms if isinstance(transforms, str) else " ".join(transforms))
    chosen = [(call, arguments.module(call), arguments.options(call)) for call in calls]
    work = Work(graph_def, inputs, outputs)
    steps = []
    for call, module, options in chosen:
        before = len(work.nodes)
        try:
            done = module.apply(work, options)
        except UserError as error:
            raise UserError(f"transforms, character {call.position}: {call.name}: {error}") from error
        steps.append(Step(str(call), before, len(work.nodes), done.changed, done.what, done.notes, done.missed))
    made = work.graph_def()
    files.check(made)
    return Transformed(made, tuple(steps), _infer_shapes(made))


def _infer_shapes(graph_def: Any) -> str | None:
    """Write the shapes of all outputs anew where nodes have them; return why TensorFlow does not import the graph."""
    import tensorflow as tf

    wanted = any("_output_shapes" in node.attr for node in graph_def.node)
    for node in graph_def.node:
        node.attr.pop("_output_shapes", None)
    try:
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(graph_def, name="")
    except (ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        return " ".join(str(error).split())[:300]
    for node in graph_def.node if wanted else ():
        found = node.attr["_output_shapes"].list
        for tensor in graph.get_operation_by_name(node.name).outputs:
            found.shape.add().CopyFrom(tensor.shape.as_proto())
    return None
