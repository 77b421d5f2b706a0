"""Activation functions as chains of legal operators, those that are fused into others as well."""

from __future__ import annotations

from dataclasses import replace

from harness.graph.legal.unfolding import Step, Unfolding

_PLAIN = {
    "relu": "Relu", "relu6": "Relu6", "relu_n1_to_1": "Clip", "clip": "Clip", "tanh": "Tanh", "sigmoid": "Sigmoid",
    "softmax": "Softmax", "log_softmax": "LogSoftmax", "elu": "Elu", "selu": "Selu", "gelu": "Gelu", "mish": "Mish",
    "softplus": "Softplus", "softsign": "Softsign", "exponential": "Exp", "leakyrelu": "LeakyRelu",
    "leaky_relu": "LeakyRelu", "hardsigmoid": "HardSigmoid", "hard_sigmoid": "HardSigmoid",
}  # fmt: skip
_NONE = ("linear", "none", "")


def activation(unfolding: Unfolding, word: str, alpha: float | None = None) -> list[Step]:
    """Return the steps of an activation by its name in any framework; an unknown one is kept under its name."""
    name = word.lower()
    if name in _NONE:
        return []
    if name in ("swish", "silu"):
        return [Step("Sigmoid", begins=True), Step("Mul", again=True)]
    if name in ("hard_swish", "hardswish", "hard_silu"):
        first, *others = sixth(unfolding)
        return [replace(first, begins=True), *others, Step("Mul", again=True)]
    slope = {} if alpha is None or "eaky" not in name else {"alpha": alpha}
    return [Step(_PLAIN.get(name, word), attributes=slope)]


def sixth(unfolding: Unfolding) -> list[Step]:
    """Return relu6(x + 3) / 6."""
    return [
        Step("Add", (unfolding.number(3.0),)),
        Step("Relu6"),
        Step("Mul", (unfolding.number(1 / 6),)),
    ]


def clipped(low: float | None, high: float | None) -> Step:
    """Return what cuts values off at ``low`` and ``high``, None being no limit."""
    if low == 0 and high is not None and abs(high - 6) < 1e-6:
        return Step("Relu6")
    if low == 0 and (high is None or high > 1e30):
        return Step("Relu")
    limits = {name: value for name, value in (("min", low), ("max", high)) if value is not None}
    return Step("Clip", attributes=limits)
