"""A ``tf_keras`` functional model as a list of calls, so that transforms can rewrite it and build it again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from harness.errors import StageFailed

Shape = tuple[int | None, ...]
Weights = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One layer called once: the layer's class and configuration, its weights, the values it takes."""

    name: str
    """Of the layer and of the value that it gives; unique in a graph."""
    layer: type[Any]
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    """Names of the values that it takes."""
    shape: Shape
    """Of its value, without the batch."""
    weights: Weights = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the call passes besides tensors: a number that is added, an axis."""
    shared: str = ""
    """Name of the layer, where several calls are calls of one layer."""

    @property
    def kind(self) -> str:
        """Name of the layer's class, such as ``Conv2D``."""
        return self.layer.__name__

    def get(self, key: str) -> Any:
        """Return an entry of the configuration, None when it has none."""
        return self.config.get(key)

    def but(self, **config: Any) -> Call:
        """Return the same call with other configuration."""
        return replace(self, config={**self.config, **config})


@dataclass(frozen=True, slots=True)
class Graph:
    """Calls in an order in which they can be made, from one image input to named outputs."""

    input: str
    shape: Shape
    """Of an image: height, width, channels."""
    calls: tuple[Call, ...]
    outputs: Mapping[str, str]
    """Name of the model's output → name of the value."""

    def __getitem__(self, name: str) -> Call:
        """Return the call that gives a value. Raises ``KeyError`` for the input and for names that are none."""
        return self.by_name()[name]

    def by_name(self) -> dict[str, Call]:
        """Return the calls by name."""
        return {call.name: call for call in self.calls}

    def consumers(self) -> dict[str, list[Call]]:
        """Return value → the calls that take it, one entry for each time it is taken."""
        found: dict[str, list[Call]] = {self.input: [], **{call.name: [] for call in self.calls}}
        for call in self.calls:
            for name in call.inputs:
                found[name].append(call)
        return found

    def shape_of(self, name: str) -> Shape:
        """Return the shape of a value, without the batch."""
        return self.shape if name == self.input else self[name].shape


Rule = Callable[[Call, "View"], "list[Call] | str | None"]
"""What becomes of a call: None: it stays; calls: they take its place, the last one has its name; a name: that value."""


@dataclass(frozen=True, slots=True)
class View:
    """What a rule may look at: the graph as it was before the rewriting began."""

    graph: Graph
    calls: Mapping[str, Call]
    taken: Mapping[str, list[Call]]

    def producer(self, name: str) -> Call | None:
        """Return the call that gives a value, None for the input."""
        return self.calls.get(name)

    def only_for(self, name: str, call: Call) -> bool:
        """Return whether nothing but ``call`` takes a value."""
        return self.taken[name] == [call] and name not in self.graph.outputs.values()


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """Return the graph with ``rule`` applied to each call once; what is no longer needed is left out."""
    view = View(graph, graph.by_name(), graph.consumers())
    instead: dict[str, str] = {}
    calls: list[Call] = []
    for call in graph.calls:
        found = rule(call, view)
        if isinstance(found, str):
            instead[call.name] = instead.get(found, found)
            continue
        for one in [call] if found is None else found:
            calls.append(replace(one, inputs=tuple(instead.get(name, name) for name in one.inputs)))
    outputs = {name: instead.get(value, value) for name, value in graph.outputs.items()}
    return needed(replace(graph, calls=tuple(calls), outputs=outputs))


def needed(graph: Graph) -> Graph:
    """Return the graph without calls that no output depends on."""
    wanted, kept = set(graph.outputs.values()), []
    for call in reversed(graph.calls):
        if call.name in wanted:
            kept.append(call)
            wanted |= set(call.inputs)
    return replace(graph, calls=tuple(reversed(kept)))


def read(model: Any) -> Graph:
    """Return the graph of a ``tf_keras`` functional or sequential model; weights are copied.

    Raises:
        StageFailed: ``not_functional``, ``several_inputs``, or ``shared_layer``: what cannot be rewritten.
    """
    if not getattr(model, "_is_graph_network", False):
        raise StageFailed(f"{type(model).__name__} is not a functional model: its graph is not known", "not_functional")
    if len(model.inputs) != 1:
        raise StageFailed(f"the model has {len(model.inputs)} inputs", "several_inputs")
    names: dict[int, str] = {id(model.inputs[0]): model.input_names[0]}
    calls = [_call(node, names) for node in _nodes(model) if not node.is_input]
    outputs = dict(zip(model.output_names, (names[id(tensor)] for tensor in model.outputs), strict=True))
    return Graph(model.input_names[0], tuple(model.inputs[0].shape[1:]), tuple(calls), outputs)


def _nodes(model: Any) -> Iterator[Any]:
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _call(node: Any, names: dict[int, str]) -> Call:
    """Return a node as a call and note the name of its value."""
    import tensorflow as tf

    layer = node.layer
    if isinstance(layer, tf.keras.Model):
        raise StageFailed(f"layer '{layer.name}' is a model inside the model", "nested_model")
    values = tf.nest.flatten(node.outputs)
    if len(values) != 1:
        raise StageFailed(f"layer '{layer.name}' has {len(values)} outputs", "several_outputs")
    if layer.name in names.values():
        raise StageFailed(f"layer '{layer.name}' is used more than once", "shared_layer")
    names[id(values[0])] = layer.name
    with warnings.catch_warnings():  # of initializers, which nobody asks: weights are copied
        warnings.simplefilter("ignore", UserWarning)
        config = layer.get_config()
    return Call(
        layer.name,
        type(layer),
        config,
        tuple(names[id(tensor)] for tensor in node.keras_inputs),
        tuple(values[0].shape[1:]),
        tuple(layer.get_weights()),
        _arguments(node),
    )


def _arguments(node: Any) -> dict[str, Any]:
    """Return positional and named arguments that are not tensors of the model: ``{"1": 3.0, "axis": -1}``."""
    import tensorflow as tf

    listed = {str(index): value for index, value in enumerate(node.call_args)} | dict(node.call_kwargs)
    symbolic = {id(tensor) for tensor in node.keras_inputs}
    return {
        key: value
        for key, value in listed.items()
        if value is not None and not any(id(part) in symbolic for part in tf.nest.flatten(value))
    }


def build(graph: Graph) -> Any:
    """Return a ``tf_keras`` model: float32 images (N, H, W, C) → output name → values (N, …).

    Layers get the names and weights of their calls; calls with the same ``shared`` are calls of one layer.
    """
    import tensorflow as tf

    inputs = tf.keras.Input(graph.shape, name=graph.input)
    values: dict[str, Any] = {graph.input: inputs}
    layers: dict[str, Any] = {}
    for call in graph.calls:
        name = call.shared or call.name
        layer = layers.get(name) or call.layer.from_config({**call.config, "name": name})
        layers[name] = layer
        given = [values[name] for name in call.inputs]
        values[call.name] = layer(given[0] if len(given) == 1 else given, **call.arguments)
    model = tf.keras.Model(inputs, {name: values[value] for name, value in graph.outputs.items()})
    for call in graph.calls:
        if call.weights:
            layers[call.shared or call.name].set_weights(call.weights)
    return model


def with_weights(graph: Graph, model: Any) -> Graph:
    """Return the graph with the weights that the layers of a model built from it have now."""

    def learnt(call: Call) -> Weights:
        return tuple(model.get_layer(call.shared or call.name).get_weights())

    return replace(graph, calls=tuple(replace(call, weights=learnt(call)) for call in graph.calls))


def unused(names: Iterable[str], wanted: str) -> str:
    """Return ``wanted``, or it with a number, so that it is none of ``names``."""
    taken, number, found = set(names), 1, wanted
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found
