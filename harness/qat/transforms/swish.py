"""``swish`` becomes a sigmoid and a product, each with a range of its own, as the int8 kernels compute it."""

from __future__ import annotations

from harness.qat.graph import Call, Graph, View, rewrite, unused

NAMES = ("swish", "silu")


def apply(graph: Graph) -> Graph:
    """Return the graph without ``swish``."""
    taken = [call.name for call in graph.calls]

    def rule(call: Call, view: View) -> list[Call] | None:  # noqa: ARG001 - a rule
        import tensorflow as tf

        if call.kind != "Activation" or call.get("activation") not in NAMES:
            return None
        gate = unused(taken, f"{call.name}_sigmoid")
        taken.append(gate)
        sigmoid = {"name": gate, "activation": "sigmoid"}
        return [
            Call(gate, tf.keras.layers.Activation, sigmoid, call.inputs, call.shape),
            Call(call.name, tf.keras.layers.Multiply, {"name": call.name}, (call.inputs[0], gate), call.shape),
        ]

    return rewrite(graph, rule)
