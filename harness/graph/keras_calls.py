"""Which layer of a Keras configuration calls which: the two ways in which Keras 2 and Keras 3 write it down."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

Reference = tuple[str, int, int]
"""(layer, number of its call, number of the output)."""
_CONSTANT = "_CONSTANT_VALUE"
_NO_DATA = ("name", "training", "mask")
"""Arguments of calls that are no operands."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer."""

    layer: str
    kind: str
    """Class name."""
    number: int
    """0 for the first call of the layer."""
    config: dict[str, Any]
    arguments: tuple[Any, ...]
    """A ``Reference`` for each tensor; anything else is a constant."""
    options: dict[str, Any]
    """Further arguments by name, that are no tensors, such as the ``axis`` of a function."""
    built_for: Any = None
    """The input shapes that the layer says it was built for."""
    registered: bool = False
    """A class from outside Keras."""


def chain(layers: list[dict[str, Any]]) -> list[Call]:
    """Return the calls of a Sequential model."""
    before: Reference = ("", 0, 0)
    found = []
    for layer in layers:
        name = _name(layer)
        found.append(_call(layer, 0, () if layer["class_name"] == "InputLayer" else (before,), {}))
        before = (name, 0, 0)
    return found


def calls(layers: list[dict[str, Any]], outputs: list[Reference]) -> list[Call]:
    """Return the calls of all layers, each after those that it reads. Raises ``ValueError`` for a cycle.

    Calls are counted from the lowest number that is read: Keras counts the making of a model as its first call.
    """
    found = [call for layer in layers for call in _calls(layer)]
    first: dict[str, int] = {}
    for layer, number, _ in [*outputs, *(one for call in found for one in call.arguments if isinstance(one, tuple))]:
        first[layer] = min(number, first.get(layer, number))
    return _ordered([replace(call, number=call.number + first.get(call.layer, 0)) for call in found])


def references(raw: Any) -> list[Reference]:
    """Return the references in ``input_layers`` or ``output_layers``: one, a list, or a dict of names."""
    if isinstance(raw, dict):
        return [one for value in raw.values() for one in references(value)]
    if _is_reference(raw):
        return [_reference(raw)]
    return [one for value in raw for one in references(value)]


def hints(found: list[Call]) -> dict[Reference, tuple[int, ...]]:
    """Return the shape of each output that its readers say they were built for."""
    known: dict[Reference, tuple[int, ...]] = {}
    for call in found:
        read, built = [one for one in call.arguments if isinstance(one, tuple)], call.built_for
        shapes = [built] if _is_shape(built) else built
        if isinstance(shapes, list) and len(shapes) == len(read) == len(call.arguments) and all(map(_is_shape, shapes)):
            known |= {one: tuple(-1 if n is None else n for n in raw) for one, raw in zip(read, shapes, strict=True)}
    return known


def _is_shape(raw: Any) -> bool:
    return isinstance(raw, list) and all(size is None or isinstance(size, int) for size in raw)


def _calls(layer: dict[str, Any]) -> list[Call]:
    nodes = layer.get("inbound_nodes") or []
    if layer["class_name"] == "InputLayer" or not nodes:
        return [_call(layer, 0, (), {})]
    found = []
    for number, node in enumerate(nodes):
        arguments, options = _new_style(node) if isinstance(node, dict) else _old_style(node)
        found.append(_call(layer, number, tuple(arguments), options))
    return found


def _name(layer: dict[str, Any]) -> str:
    return str(layer.get("name") or layer["config"]["name"])


def _call(layer: dict[str, Any], number: int, arguments: tuple[Any, ...], options: dict[str, Any]) -> Call:
    return Call(
        layer=_name(layer),
        kind=str(layer["class_name"]).rpartition(">")[2],
        number=number,
        config=layer["config"],
        arguments=arguments,
        options=options,
        built_for=(layer.get("build_config") or {}).get("input_shape"),
        registered=not _is_keras(layer),
    )


def _is_keras(layer: dict[str, Any]) -> bool:
    module = str(layer.get("module") or "keras")
    return module.partition(".")[0] in ("keras", "tf_keras") and ">" not in str(layer.get("registered_name") or "")


def _new_style(node: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Keras 3: positional and named arguments, tensors as ``__keras_tensor__``."""
    found = [one for argument in node.get("args", []) for one in _flat(argument)]
    named = node.get("kwargs") or {}
    found += [one for key, value in named.items() if _has_tensor(value) for one in _flat(value)]
    return found, {k: v for k, v in named.items() if not _has_tensor(v) and v is not None and k not in _NO_DATA}


def _old_style(node: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Keras 2: (layer, call, output, named arguments), or a list of such; tensors among the named as triples."""
    found: list[Any] = []
    options: dict[str, Any] = {}
    for one in [node] if _is_reference(node) else node:
        found.append(one[2] if one[0] == _CONSTANT else _reference(one))
        for key, value in (one[3] if len(one) > 3 and isinstance(one[3], dict) else {}).items():
            if _is_reference(value):
                found.append(value[2] if value[0] == _CONSTANT else _reference(value))
            elif key in ("y", "x", "b") and isinstance(value, int | float | list) and not isinstance(value, bool):
                found.append(value)
            elif value is not None and key not in _NO_DATA:
                options[key] = value
    return found, options


def _is_reference(raw: Any) -> bool:
    return isinstance(raw, list) and len(raw) >= 3 and isinstance(raw[0], str) and isinstance(raw[1], int)


def _reference(raw: list[Any]) -> Reference:
    return raw[0], int(raw[1]), int(raw[2])


def _has_tensor(value: Any) -> bool:
    return any(isinstance(one, tuple) for one in _flat(value))


def _flat(value: Any) -> list[Any]:
    """Return tensors and numbers in an argument of Keras 3, lists opened."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return [_reference(value["config"]["keras_history"])]
    if isinstance(value, list):
        return [one for part in value for one in _flat(part)]
    return [] if value is None or isinstance(value, dict | str | bool) else [value]


def _ordered(found: list[Call]) -> list[Call]:
    """Return calls so that each comes after what it reads, else in the file's order."""
    known = {(call.layer, call.number) for call in found}
    reads = {
        (call.layer, call.number): {one[:2] for one in call.arguments if isinstance(one, tuple) and one[:2] in known}
        for call in found
    }
    waiting, done, made = deque(found), set[tuple[str, int]](), list[Call]()
    unlucky = 0
    while waiting:
        call = waiting.popleft()
        if reads[(call.layer, call.number)] <= done:
            done.add((call.layer, call.number))
            made.append(call)
            unlucky = 0
            continue
        waiting.append(call)
        unlucky += 1
        if unlucky > len(waiting):
            raise ValueError(f"its layers wait for each other: {', '.join(one.layer for one in list(waiting)[:4])}")
    return made
