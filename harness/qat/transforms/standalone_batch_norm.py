"""A batch normalization that no convolution before it can take in (ResNetV2, DenseNet) becomes an affine layer.

Its statistics are those of the trained model from then on; scale and offset go on learning.
"""

from __future__ import annotations

import numpy as np

from harness.qat.graph import Call, Graph, View, rewrite
from harness.qat.layers import channel_affine

FOLDS_INTO = ("Conv2D", "DepthwiseConv2D", "Dense")
KINDS = ("BatchNormalization", "SyncBatchNormalization")


def apply(graph: Graph) -> Graph:
    """Return the graph whose batch normalizations all follow a linear convolution or dense layer of their own."""
    return rewrite(graph, _rule)


def _rule(call: Call, view: View) -> list[Call] | None:
    if call.kind not in KINDS or _folds(call, view):
        return None
    weights = list(call.weights)
    gamma = weights.pop(0).astype(np.float64) if call.get("scale") else 1.0
    beta = weights.pop(0).astype(np.float64) if call.get("center") else 0.0
    mean, variance = (one.astype(np.float64) for one in weights)
    scale = gamma / np.sqrt(variance + float(call.config["epsilon"]))
    return [channel_affine(call, scale, beta - mean * scale)]


def _folds(call: Call, view: View) -> bool:
    before = view.producer(call.inputs[0])
    return (
        before is not None
        and before.kind in FOLDS_INTO
        and before.get("activation") == "linear"
        and view.only_for(before.name, call)
    )
