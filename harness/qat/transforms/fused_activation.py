"""An activation inside a convolution or dense layer becomes a layer of its own, so that it can have its own range."""

from __future__ import annotations

from dataclasses import replace

from harness.qat.graph import Call, Graph, View, rewrite, unused

KINDS = ("Conv2D", "DepthwiseConv2D", "Dense", "Conv2DTranspose")


def apply(graph: Graph) -> Graph:
    """Return the graph with linear convolutions and dense layers, ``relu`` apart, which every kernel has built in."""
    taken = [call.name for call in graph.calls]

    def rule(call: Call, view: View) -> list[Call] | None:  # noqa: ARG001 - a rule
        import tensorflow as tf

        activation = call.get("activation")
        if call.kind not in KINDS or activation in ("linear", "relu", None):
            return None
        linear = replace(call.but(activation="linear"), name=unused(taken, f"{call.name}_linear"))
        taken.append(linear.name)
        # Keras writes an activation with options as a dictionary
        own = {"name": call.name, "activation": activation}
        return [linear, Call(call.name, tf.keras.layers.Activation, own, (linear.name,), call.shape)]

    return rewrite(graph, rule)
