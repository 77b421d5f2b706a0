"""Read a ``.keras`` file (Keras 2 or 3) without loading it: layers from its configuration, weights from the archive.

Operators are Keras's class names, one node for each call of a layer, its weights behind its data inputs. Nothing of the
file is imported or run. Weights are views of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import StageFailed
from harness.graph import keras_layers, keras_shapes
from harness.graph.keras_calls import Call, Reference, calls, chain, hints, references
from harness.graph.keras_weights import Names, Weights
from harness.graph.model import Graph, Node, Tensor, unique_names
from zoo.errors import ZooError
from zoo.inspection import keras_config

_MODELS = ("Functional", "Model", "Sequential")
_DEPTH = 20


def read(path: Path) -> Graph:
    """Return the graph of a .keras file.

    Raises:
        StageFailed: ``broken_file``: not whole, no .keras file, or a model that is no graph of layers.
    """
    try:
        config, _ = keras_config(path)
        with Weights(path) as weights:
            return _Reader(weights).graph(config)
    except ZooError as error:
        text = str(error).removeprefix(f"{path} ")
        raise StageFailed(f"{path.name}: {text}", "broken_file") from error
    except (ValueError, TypeError, LookupError, AttributeError, OSError, RuntimeError, RecursionError) as error:
        raise StageFailed(f"{path.name}: not a sound .keras file: {error}", "broken_file") from error


@dataclass
class _Model:
    """One model while it is read: what its layers gave."""

    prefix: str
    """In front of the names of its layers."""
    store: str
    """Where its layers are in the file of weights."""
    names: Names = field(default_factory=Names)
    values: dict[Reference, int] = field(default_factory=dict)
    """(layer, number of its call, output) → tensor."""
    hints: dict[Reference, tuple[int, ...]] = field(default_factory=dict)
    """Shapes that readers of an output were built for."""
    asked: set[Reference] = field(default_factory=set)
    """All outputs that something reads."""


class _Reader:
    """Gathers tensors and nodes; models inside a model stand in the same list, by their scope."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []
        self._constants: dict[str, tuple[int, ...]] = {}

    def graph(self, config: dict[str, Any]) -> Graph:
        inputs, outputs = self._model(config, None, _Model("", "layers"), 0)
        return Graph("keras", tuple(self._nodes), tuple(self._tensors), inputs, outputs)

    def _model(
        self, config: dict[str, Any], given: list[int] | None, model: _Model, depth: int
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Add the layers of a model that is called with ``given``; return its inputs and outputs."""
        kind, inner = config.get("class_name"), config["config"]
        if kind not in _MODELS or "layers" not in inner:
            raise ValueError(f"its model is of the class {kind}, which is code; read are Functional and Sequential")
        if depth > _DEPTH:
            raise ValueError("its models contain each other")
        sequential = kind == "Sequential"
        if sequential:
            found = chain(inner["layers"])
            entries = [("", 0, 0)]
            outputs = [(found[-1].layer, 0, 0)] if found else entries
        else:
            entries, outputs = references(inner["input_layers"]), references(inner["output_layers"])
            found = calls(inner["layers"], outputs)
        model.hints = hints(found)
        model.asked = {one for call in found for one in call.arguments if isinstance(one, tuple)} | set(outputs)
        inputs = self._inputs(inner, entries, given, model, sequential=sequential)
        stores: dict[str, str] = {}
        for call in found:
            if call.layer not in stores:
                stores[call.layer] = model.names.of(call.kind)
            self._call(call, stores[call.layer], model, depth)
        pairs = [(name, model.values[(name, call, output)]) for name, call, output in outputs]
        return inputs, unique_names(pairs)

    def _inputs(
        self,
        inner: dict[str, Any],
        entries: list[Reference],
        given: list[int] | None,
        model: _Model,
        *,
        sequential: bool,
    ) -> dict[str, int]:
        """Enter the model's inputs; return name → tensor."""
        layers = {layer["config"].get("name", layer.get("name")): layer for layer in inner["layers"]}
        found: list[tuple[str, int]] = []
        for index, entry in enumerate(entries):
            name, config = entry[0], layers[entry[0]]["config"] if entry[0] else keras_layers.first(inner)
            if given is not None:
                number = given[index]
            else:
                shape, dtype = keras_shapes.declared(config), keras_layers.dtype(config)
                number = self._add(Tensor(name or str(config.get("name", "input")), dtype, shape))
            model.values[entry] = number
            if sequential and name == "":
                name = str(config.get("name", "input"))
                model.values[(name, 0, 0)] = number
            found.append((name, number))
        return unique_names(found)

    def _add(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _call(self, call: Call, store: str, model: _Model, depth: int) -> None:
        """Add one call of a layer, or the layers of a model that is a layer."""
        if call.kind == "InputLayer":
            if (call.layer, 0, 0) not in model.values:
                shape = keras_shapes.declared(call.config)
                model.values[(call.layer, 0, 0)] = self._add(Tensor(call.layer, keras_layers.dtype(call.config), shape))
            return
        data = [self._argument(one, model, call) for one in call.arguments]
        path = f"{model.store}/{store}"
        if call.kind in _MODELS:
            inner = _Model(f"{model.prefix}{call.layer}/", f"{path}/layers")
            raw = {"class_name": call.kind, "config": call.config}
            _, outputs = self._model(raw, data, inner, depth + 1)
            numbers = list(outputs.values())
        else:
            numbers = self._node(call, data, path, model)
        for output, number in enumerate(numbers):
            model.values[(call.layer, call.number, output)] = number

    def _argument(self, one: Any, model: _Model, call: Call) -> int:
        """Return the tensor of an argument: another layer's output, or a constant of its own."""
        if isinstance(one, tuple):
            if one not in model.values:
                raise ValueError(f"'{call.layer}' reads '{one[0]}', which is not there or comes later")
            return model.values[one]
        values = np.asarray(one, np.float32 if isinstance(one, float) else None)
        if values.dtype == np.float64:
            values = values.astype(np.float32)
        if values.dtype.kind not in "fiub":
            raise ValueError(f"'{call.layer}' has an argument that is no number: {str(one)[:40]}")
        return self._constant(f"{model.prefix}{call.layer}/value", values)

    def _constant(self, name: str, values: Any) -> int:
        number = len(self._tensors)
        return self._add(
            Tensor(
                name, values.dtype.name, values.shape, constant=True, bytes=values.nbytes, buffer=number, data=values
            )
        )

    def _node(self, call: Call, data: list[int], store: str, model: _Model) -> list[int]:
        """Add a layer's node with its weights behind its data; return its outputs."""
        name = f"{model.prefix}{call.layer}"
        weights = self._layer_weights(store, name)
        own = [self._constant(f"{name}/{key}", value) for key, value in keras_layers.constants(call)]
        count = 1 + max((one[2] for one in model.asked if one[:2] == (call.layer, call.number)), default=0)
        shape = keras_shapes.output(call, [self._tensors[number].shape for number in data]) if count == 1 else None
        shape = model.hints.get((call.layer, call.number, 0)) if shape is None else shape
        dtype = keras_layers.dtype(call.config)
        outputs = [self._add(Tensor(f"{name}:{i}" if i else name, dtype, None if i else shape)) for i in range(count)]
        self._nodes.append(
            Node(
                op=keras_layers.operator(call),
                name=name,
                inputs=(*data, *weights, *own),
                outputs=tuple(outputs),
                custom=call.registered,
                attributes=keras_layers.attributes(call),
                scope=model.prefix,
            )
        )
        return outputs

    def _layer_weights(self, store: str, layer: str) -> tuple[int, ...]:
        """Return the constants of a layer; a layer that is called twice has them once."""
        if store not in self._constants:
            found = []
            for name, weight in self._weights.of(store):
                number = len(self._tensors)
                found.append(self._add(weight.tensor(f"{layer}/{name}", number)))
            self._constants[store] = tuple(found)
        return self._constants[store]
