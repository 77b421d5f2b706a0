"""What is the same is kept, what converters do is explained, and what they must not do is not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph.diff.compare import Difference, compare
from harness.graph.diff.fates import KINDS
from harness.graph.model import Graph, Node, Tensor
from harness.graph.read import read

FLAT = np.array([1.0, 2.0, 3.0, 4.0], np.float32)


Line = tuple[str, str, list[Any], dict[str, Any]]
"""(name, raw operator, operands: names or arrays, attributes)."""


def build(lines: list[Line], outputs: list[str], format: str = "onnx") -> Graph:
    """Return the graph that ``lines`` compute from ``x`` (1, 4, 8, 8)."""
    tensors = [Tensor("x", "float32", (1, 4, 8, 8))]
    numbers = {"x": 0}
    nodes = []

    def number(operand: Any) -> int:
        if isinstance(operand, str):
            return numbers[operand]
        values = np.asarray(operand, np.float32)
        at = len(tensors)
        tensors.append(
            Tensor(f"c{at}", "float32", values.shape, constant=True, bytes=values.nbytes, buffer=at, data=values)
        )
        return at

    for name, op, operands, attributes in lines:
        inputs = tuple(map(number, operands))
        numbers[name] = len(tensors)
        tensors.append(Tensor(name, "float32", (1, 4, 8, 8)))
        nodes.append(Node(op, name, inputs, (numbers[name],), attributes=attributes))
    return Graph(format, tuple(nodes), tuple(tensors), {"x": 0}, {name: numbers[name] for name in outputs})


KERNEL = np.random.default_rng(0).normal(size=(4, 4, 1, 1)).astype(np.float32)
ROW = np.array([[[1.0]], [[2.0]], [[3.0]], [[4.0]]], np.float32)


def block() -> list[Line]:
    """Conv, batch norm, relu, conv with bias, residual sum, sigmoid gate."""
    flat = ROW.reshape(-1)
    return [
        ("conv", "Conv", ["x", KERNEL], {}),
        ("norm", "BatchNormalization", ["conv", flat, flat + 1, flat * 0.5, flat], {"epsilon": 1e-3}),
        ("relu", "Relu", ["norm"], {}),
        ("second", "Conv", ["relu", KERNEL, flat], {"strides": "1x1"}),
        ("sum", "Add", ["second", "relu"], {}),
        ("gate", "Sigmoid", ["sum"], {}),
        ("out", "Mul", ["gate", "sum"], {}),
    ]


@pytest.fixture
def lines() -> list[Line]:
    """Return the block, free to be changed."""
    return block()


def kinds(found: Difference) -> dict[str, int]:
    return {kind: count for kind, count in found.counts.items() if count}


def whats(found: Difference, kind: str) -> list[str]:
    return [one.what for one in found.changes if one.kind == kind]


def swap(lines: list[Any], name: str, *new: Any) -> list[Any]:
    """Return ``lines`` with the one called ``name`` replaced by ``new``; the last of them takes its name."""
    return [one for line in lines for one in (new if line[0] == name else [line])]


def without(lines: list[Any], name: str) -> list[Any]:
    """Return ``lines`` without one; its readers read what it read."""
    (gone,) = [line for line in lines if line[0] == name]
    kept = [line for line in lines if line[0] != name]
    return [
        (n, op, [gone[2][0] if isinstance(one, str) and one == name else one for one in operands], attributes)
        for n, op, operands, attributes in kept
    ]


def test_a_graph_is_itself(lines: list[Any]) -> None:
    found = compare(build(lines, ["out"]), build(lines, ["out"]))
    assert kinds(found) == {"kept": found.nodes[0]}


def test_a_folded_batch_norm_is_told_by_its_bias(lines: list[Any]) -> None:
    scale = FLAT / np.sqrt(FLAT + 1e-3)
    bias = FLAT + 1 - FLAT * 0.5 * scale
    kernel = lines[0][2][1] * scale[:, None, None, None]
    folded = without(swap(lines, "conv", ("conv", "Conv", ["x", kernel, bias], {})), "norm")
    found = compare(build(lines, ["out"]), build(folded, ["out"]))
    (one,) = [change for change in found.changes if change.kind == "folded"]
    assert (one.what, one.before) == ("BatchNorm → Conv2D", ("norm",))
    assert one.why.endswith("with the bias that this gives")
    assert not found.unexplained
    other = without(swap(lines, "conv", ("conv", "Conv", ["x", kernel, bias + 1], {})), "norm")
    (one,) = [c for c in compare(build(lines, ["out"]), build(other, ["out"])).changes if c.kind == "folded"]
    assert one.why.endswith("with another bias")


def test_a_batch_norm_that_is_gone_without_a_bias_is_unexplained(lines: list[Any]) -> None:
    found = compare(build(lines, ["out"]), build(without(lines, "norm"), ["out"]))
    assert whats(found, "unexplained") == ["BatchNorm"]


def test_a_batch_norm_as_product_and_sum(lines: list[Any]) -> None:
    lines = [("first", "Relu", ["x"], {}), *swap(lines, "conv", ("conv", "Softmax", ["first"], {}))]
    scale = (FLAT / np.sqrt(FLAT + 1e-3)).reshape(4, 1, 1)
    shift = (FLAT + 1).reshape(4, 1, 1) - (FLAT * 0.5).reshape(4, 1, 1) * scale
    new = [("times", "Mul", ["conv", scale], {}), ("norm", "Add", ["times", shift], {})]
    found = compare(build(lines, ["out"]), build(swap(lines, "norm", *new), ["out"]))
    (one,) = [change for change in found.changes if change.kind == "rewritten"]
    assert (one.what, one.why[-20:]) == ("BatchNorm → Mul + Add", "with the same values")
    assert not found.unexplained


def test_no_neighbour_takes_a_product_after_an_activation(lines: list[Any]) -> None:
    more = swap(lines, "gate", ("twice", "Mul", ["sum", [2.0]], {}), ("gate", "Sigmoid", ["twice"], {}))
    for before, after in ((lines, more), (more, lines)):
        assert whats(compare(build(before, ["out"]), build(after, ["out"])), "unexplained") == ["Mul"]


def test_a_number_may_go_over_to_the_other_factor_of_a_product(lines: list[Any]) -> None:
    one = swap(lines, "out", ("half", "Mul", ["gate", [0.5]], {}), ("out", "Mul", ["half", "sum"], {}))
    other = swap(lines, "out", ("half", "Mul", ["sum", [0.5]], {}), ("out", "Mul", ["gate", "half"], {}))
    found = compare(build(one, ["out"]), build(other, ["out"]))
    (change,) = [change for change in found.changes if change.kind == "rewritten"]
    assert (change.what, change.before, change.after) == ("Mul → Mul", ("half",), ("half",))
    assert change.why == "the same number, with the other factor of the product behind it"
    assert not found.unexplained


@pytest.mark.parametrize("numbers", [[0.25], [0.5, 0.5, 0.5, 0.25]])
def test_another_number_does_not(lines: list[Any], numbers: list[float]) -> None:
    one = swap(lines, "out", ("half", "Mul", ["gate", [0.5]], {}), ("out", "Mul", ["half", "sum"], {}))
    row = np.reshape(numbers, (-1, 1, 1))
    other = swap(lines, "out", ("half", "Mul", ["sum", row], {}), ("out", "Mul", ["gate", "half"], {}))
    found = compare(build(one, ["out"]), build(other, ["out"]))
    assert whats(found, "unexplained") == ["Mul"]
    assert found.counts["unexplained"] == 2


def test_a_scale_goes_into_the_kernel_behind_it_but_a_shift_does_not(lines: list[Any]) -> None:
    for op, explained in (("Mul", True), ("Add", False)):
        more = [("first", op, ["x", [3.0]], {}), ("conv", "Conv", ["first", *lines[0][2][1:]], {}), *lines[1:]]
        found = compare(build(more, ["out"]), build(lines, ["out"]))
        assert whats(found, "folded") == ([f"{op} → Conv2D"] if explained else [])
        assert bool(found.unexplained) != explained


@pytest.mark.parametrize("name", ["relu", "gate"])
def test_a_lost_activation_is_unexplained_and_nothing_else(lines: list[Any], name: str) -> None:
    found = compare(build(lines, ["out"]), build(without(lines, name), ["out"]))
    assert any(name in one.before for one in found.unexplained)
    assert found.counts["unexplained"] <= 3


def test_another_activation(lines: list[Any]) -> None:
    found = compare(build(lines, ["out"]), build(swap(lines, "relu", ("relu", "Elu", ["norm"], {})), ["out"]))
    assert sorted(whats(found, "unexplained")) == ["Elu", "Relu"]
    assert found.counts["unexplained"] == 2


def test_another_kernel_or_stride(lines: list[Any]) -> None:
    wide = np.ones((4, 4, 3, 3), np.float32)
    for operands, attributes in (([wide, FLAT], {}), (lines[3][2][1:], {"strides": "2x2"})):
        after = swap(lines, "second", ("second", "Conv", ["relu", *operands], attributes))
        assert "Conv2D" in whats(compare(build(lines, ["out"]), build(after, ["out"])), "unexplained")


def test_a_residual_that_starts_elsewhere(lines: list[Any]) -> None:
    after = swap(lines, "sum", ("sum", "Add", ["second", "norm"], {}))
    found = compare(build(lines, ["out"]), build(after, ["out"]))
    assert found.counts["unexplained"]
    assert any("sum" in one.before or "relu" in one.before for one in found.unexplained)


def test_operands_of_a_sum_may_come_in_any_order(lines: list[Any]) -> None:
    after = swap(lines, "sum", ("sum", "Add", ["relu", "second"], {}))
    assert kinds(compare(build(lines, ["out"]), build(after, ["out"]))) == {"kept": 8}


def test_wires_are_removed_and_added(lines: list[Any]) -> None:
    more = swap(lines, "relu", ("r", "Relu", ["norm"], {}), ("d", "Dropout", ["r"], {}), ("relu", "Reshape", ["d"], {}))
    found = compare(build(more, ["out"]), build(lines, ["out"]))
    assert kinds(found) == {"kept": 8, "removed": 2}
    found = compare(build(lines, ["out"]), build(more, ["out"]))
    assert kinds(found) == {"kept": 8, "added": 2}


def test_transpositions_must_come_back_where_layouts_agree() -> None:
    order = np.array([0, 2, 3, 1], np.float32)
    plain = [("a", "RELU", ["x"], {}), ("b", "SOFTMAX", ["a"], {})]
    once = [plain[0], ("t", "TRANSPOSE", ["a", order], {}), ("b", "SOFTMAX", ["t"], {})]
    back = [plain[0], ("t", "TRANSPOSE", ["a", order], {}), ("u", "TRANSPOSE", ["t", np.argsort(order)], {}),
            ("b", "SOFTMAX", ["u"], {})]  # fmt: skip
    graphs = [build(one, ["b"], "tflite") for one in (plain, once, back)]
    assert whats(compare(graphs[0], graphs[1]), "unexplained") == ["Transpose"]
    assert kinds(compare(graphs[0], graphs[2])) == {"kept": 2, "added": 2}


def test_fused_and_split() -> None:
    apart = build([("a", "ADD", ["x", "x"], {}), ("b", "RELU", ["a"], {})], ["b"], "tflite")
    fused = build([("b", "ADD", ["x", "x"], {"activation": "relu"})], ["b"], "tflite")
    assert kinds(compare(apart, fused)) == {"kept": 1, "fused": 1}
    assert kinds(compare(fused, apart)) == {"kept": 1, "split": 1}


def test_unknown_operators_match_by_name_only() -> None:
    one, other = (build([("a", op, ["x"], {})], ["a"]) for op in ("acme.Own", "acme.Other"))
    assert kinds(compare(one, one)) == {"kept": 1}
    assert sorted(whats(compare(one, other), "unexplained")) == ["acme.Other", "acme.Own"]


def test_outputs_that_are_missing_or_swapped(lines: list[Any]) -> None:
    both, one = build(lines, ["out", "gate"]), build(lines, ["out"])
    assert whats(compare(both, one), "unexplained") == ["Output"]
    swapped = build(lines, ["gate", "out"])
    assert compare(both, swapped).counts["unexplained"] == 0


def test_a_node_that_nobody_reads(lines: list[Any]) -> None:
    found = compare(build(lines, ["out"]), build([*lines, ("more", "Tanh", ["relu"], {})], ["out"]))
    (one,) = [change for change in found.changes if change.kind == "added"]
    assert (one.after, one.why) == (("more",), "no output depends on it")


def test_a_loop_has_an_end() -> None:
    graph = build([("a", "Relu", ["x"], {}), ("b", "Add", ["a", "a"], {})], ["b"])
    node = graph.nodes[0]
    loop = Graph("onnx", (Node("Relu", "a", graph.nodes[1].outputs, node.outputs), graph.nodes[1]),
                 graph.tensors, graph.inputs, graph.outputs)  # fmt: skip
    assert compare(graph, loop).counts["unexplained"]
    assert compare(loop, loop).nodes == (2, 2)


OPS = ("Relu", "Sigmoid", "Tanh", "Identity", "Add", "Mul", "Conv", "BatchNormalization", "MaxPool", "Reshape")


@st.composite
def nets(draw: st.DrawFn) -> list[Any]:
    """Random nets: each node reads earlier values."""
    names = ["x"]
    lines: list[Any] = []
    for index in range(draw(st.integers(2, 14))):
        op, first = draw(st.sampled_from(OPS)), draw(st.sampled_from(names[-3:]))
        operands: list[Any] = [first]
        if op in ("Add", "Mul"):
            operands.append(draw(st.sampled_from([*names[-3:], "constant"])))
            operands = [FLAT.reshape(4, 1, 1) if one == "constant" else one for one in operands]
        elif op == "Conv":
            operands.append(np.full((4, 4, 1, 1), 1.0 + index, np.float32))
        elif op == "BatchNormalization":
            operands += [FLAT, FLAT, FLAT, FLAT]
        lines.append((f"n{index}", op, operands, {}))
        names.append(f"n{index}")
    return lines


@given(nets(), st.randoms(use_true_random=False))
def test_any_net_is_itself_in_any_order_of_names(lines: list[Any], shuffle: random.Random) -> None:
    before = build(lines, [lines[-1][0]])
    new = {f"n{i}": f"m{n}" for i, n in enumerate(shuffle.sample(range(100), len(lines)))}
    renamed = [(new[n], op, [new.get(one, one) if isinstance(one, str) else one for one in operands], attributes)
               for n, op, operands, attributes in lines]  # fmt: skip
    found = compare(before, build(renamed, [renamed[-1][0]]))
    assert found.counts["unexplained"] == 0
    assert found.counts["kept"] + found.counts["removed"] == found.nodes[0]


@given(nets(), nets())
def test_every_node_has_one_fate(one: list[Any], other: list[Any]) -> None:
    found = compare(build(one, [one[-1][0]]), build(other, [other[-1][0]]))
    before = [name for change in found.changes for name in change.before if change.what != "Output"]
    after = [name for change in found.changes for name in change.after if change.what != "Output"]
    assert (len(before), len(after)) == found.nodes
    assert {change.kind for change in found.changes} <= set(KINDS)


@pytest.mark.parametrize("name", ["saved_model", "frozen.pb", "float32.tflite", "float32.onnx", "int8.tflite"])
def test_exports_of_keras_are_explained(tiny: Path, name: str) -> None:
    found = compare(read(tiny / "model.keras"), read(tiny / name))
    assert found.counts["unexplained"] == 0
    assert found.counts["kept"] + found.counts["fused"] + found.counts["split"] >= 8


def forget(graph: Graph, *names: str) -> Graph:
    """Return the graph without the values of the constants that the nodes called ``names`` read."""
    hidden = {number for node in graph.nodes if node.name in names for number in node.inputs}
    tensors = tuple(replace(one, data=None) if n in hidden else one for n, one in enumerate(graph.tensors))
    return replace(graph, tensors=tensors)


def test_values_in_a_checkpoint_are_not_taken_to_be_zeros(lines: list[Any]) -> None:
    more = swap(lines, "norm", ("bias", "Add", ["conv", FLAT], {}), ("norm", "Add", ["bias", [3.0]], {}))
    less = swap(lines, "norm", ("norm", "Add", ["conv", [3.0]], {}))
    found = compare(forget(build(more, ["out"]), "bias"), build(less, ["out"]))
    (one,) = found.unexplained
    assert (one.before, "its values are not in the file" in one.why) == (("bias",), True)


def test_an_unknown_bias_may_hold_a_batch_norm(lines: list[Any]) -> None:
    biased = swap(lines, "conv", ("c", "Conv", lines[0][2], {}), ("conv", "Add", ["c", FLAT], {}))
    found = compare(forget(build(biased, ["out"]), "conv", "norm"), build(without(biased, "norm"), ["out"]))
    assert whats(found, "folded") == ["BatchNorm → Conv2D"]
    assert not found.unexplained
    known = compare(build(biased, ["out"]), build(without(biased, "norm"), ["out"]))
    assert whats(known, "unexplained") == ["BatchNorm"]


def test_wires_that_lead_to_themselves(lines: list[Any]) -> None:
    graph = build([("a", "Identity", ["x"], {}), ("b", "Identity", ["a"], {}), ("c", "Relu", ["b"], {})], ["c"])
    first, second, last = graph.nodes
    loop = replace(graph, nodes=(replace(first, inputs=second.outputs), second, last))
    assert compare(graph, loop).counts["unexplained"]
    assert compare(loop, graph).counts["unexplained"]


def test_a_limit_may_be_the_range_of_a_quantization(lines: list[Any]) -> None:
    numbers = [np.float32(0.1), np.float32(0)]
    around = [("q", "QuantizeLinear", ["norm", *numbers], {}), ("relu", "DequantizeLinear", ["q", *numbers], {})]
    found = compare(build(lines, ["out"]), build(swap(lines, "relu", *around), ["out"]))
    assert whats(found, "folded") == ["Relu → QuantizeLinear"]
    assert not found.unexplained
    assert whats(compare(build(lines, ["out"]), build(without(lines, "relu"), ["out"])), "unexplained")


def test_a_mean_over_one_value_does_nothing(lines: list[Any]) -> None:
    more = [*lines, ("mean", "ReduceMean", ["out"], {})]  # every tensor of these graphs has the same shape
    assert kinds(compare(build(more, ["mean"]), build(lines, ["out"]))) == {"kept": 8, "removed": 1}


@pytest.mark.parametrize(("padding", "size", "explained"), [
    ("same", 8, True), ("1,1,1,1", 8, True), ("valid", 8, False), ("same", 6, False),
])  # fmt: skip
def test_a_padding_goes_into_a_window_that_pads_to_the_same_size(padding: str, size: int, explained: bool) -> None:
    kernel = np.ones((4, 4, 3, 3), np.float32)
    before = build([("pad", "Pad", ["x"], {}), ("conv", "Conv", ["pad", kernel], {})], ["conv"])
    after = build([("conv", "Conv", ["x", kernel], {"padding": padding})], ["conv"])
    tensors = [replace(one, shape=(1, 4, size, size)) if one.name == "conv" else one for one in after.tensors]
    found = compare(before, replace(after, tensors=tuple(tensors)))
    assert whats(found, "folded") == (["Pad → Conv2D"] if explained else [])
    assert whats(found, "unexplained") == ([] if explained else ["Pad"])
