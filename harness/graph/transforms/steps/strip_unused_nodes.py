"""Keep only what the outputs need; inputs become placeholders, of a dtype and a shape where they are given.

``type`` and ``shape`` hold for all inputs, ``name`` with ``type_for_name`` and ``shape_for_name`` for one each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.errors import UserError
from harness.graph.graph_def import INPUTS, dtype, source
from harness.graph.transforms.contract import Outcome
from harness.graph.transforms.work import Work


@dataclass
class Options:
    """``type`` as TensorFlow calls it (``float``, ``uint8``); ``shape`` as ``1,299,299,3``, -1 for any size."""

    type: str = ""
    shape: str = ""
    name: list[str] = field(default_factory=list)
    type_for_name: list[str] = field(default_factory=list)
    shape_for_name: list[str] = field(default_factory=list)


def apply(work: Work, options: Options) -> Outcome:
    """Strip with TensorFlow's own ``strip_unused``, then set dtypes and shapes of the placeholders."""
    from tensorflow.python.tools import strip_unused_lib

    kinds = _for_each(work, options.type, options.name, options.type_for_name, "type_for_name")
    shapes = _for_each(work, options.shape, options.name, options.shape_for_name, "shape_for_name")
    before, placeholders = len(work.nodes), {name: work.nodes[name].op in INPUTS for name in work.inputs}
    types = {name: _type(kinds[name]) if kinds[name] else _own_type(work, name) for name in work.inputs}
    cast = [name for name in work.inputs if placeholders[name] and types[name] != _own_type(work, name)]
    needed = list(dict.fromkeys(map(source, work.outputs)))
    work.take(strip_unused_lib.strip_unused(work.graph_def(), list(work.inputs), needed, list(types.values())))
    set_anew = [
        name for name, shape in shapes.items() if shape and name in work.nodes and _set_shape(work, name, shape)
    ]
    new = [name for name, was in placeholders.items() if not was and name in work.nodes]
    notes = [f"'{name}' is not needed by any output and is gone" for name in work.inputs if name not in work.nodes]
    notes += [f"'{name}' is a placeholder now" for name in new]
    notes += [f"'{name}' has the dtype {kinds[name]} now" for name in cast]
    notes += [f"'{name}' has the shape {shapes[name]} now" for name in set_anew]
    changed = before - len(work.nodes) + len({*new, *cast, *set_anew})
    if not changed:
        notes.append("the outputs need all nodes")
    return Outcome(changed, "nodes removed or set anew", tuple(notes))


def _for_each(work: Work, common: str, names: list[str], own: list[str], key: str) -> dict[str, str]:
    """Return input → text. Raises ``UserError`` for names that are no inputs, or that do not pair up."""
    if own and len(own) != len(names):
        raise UserError(f"{len(names)} times name and {len(own)} times {key}; allowed: as many of both, or none")
    if unknown := [name for name in names if name not in work.inputs]:
        raise UserError(f"'{unknown[0]}' is no input; allowed: {', '.join(work.inputs)}")
    return dict.fromkeys(work.inputs, common) | dict(zip(names, own, strict=False))


def _own_type(work: Work, name: str) -> int:
    """Return the dtype that an input has. Raises ``UserError`` where its operator is not known here."""
    try:
        return dtype(work.nodes[name])
    except ValueError as error:
        raise UserError(f"{error}; allowed for '{name}': its dtype as type=float or another one") from None


def _type(text: str) -> int:
    import tensorflow as tf

    try:
        return int(tf.as_dtype(text).as_datatype_enum)
    except TypeError:
        raise UserError(f"'{text}' is no dtype; allowed: float, half, uint8, int8, int32, int64 …") from None


def _set_shape(work: Work, name: str, text: str) -> bool:
    """Set the shape of a placeholder; return whether it had another one."""
    import tensorflow as tf

    attribute: Any = work.nodes[name].attr["shape"]
    try:
        sizes = [int(word) for word in text.split(",")]
    except ValueError:
        sizes = [-2]
    if min(sizes) < -1:
        raise UserError(f"'{text}' is no shape; allowed: numbers with commas such as 1,299,299,3, -1 for any size")
    wanted = tf.TensorShape([None if size < 0 else size for size in sizes]).as_proto()
    changed = bool(attribute.shape != wanted)
    attribute.shape.CopyFrom(wanted)
    return changed
