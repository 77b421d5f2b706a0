"""Ports are found by what they compute, whatever they are called; what is doubtful is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.graph.model import Graph, Tensor
from harness.graph.ports.mapping import map_ports
from harness.graph.ports.pairs import Model, PortMap, Run
from harness.graph.ports.shapes import difference, turn

SHAPE = (1, 4, 4, 3)
Functions = dict[str, Callable[..., Any]]


def model(
    inputs: dict[str, tuple[int, ...]],
    functions: Functions,
    *,
    runs: bool = True,
    scale: float = 0,
    dtype: str = "float32",
) -> Model:
    """A model that computes each output from its inputs, in the order of ``inputs``."""
    tensors = [Tensor(name, dtype, shape) for name, shape in inputs.items()]
    zeros = [np.zeros([abs(size) for size in shape]) for shape in inputs.values()]
    scales = ((scale,), (0,)) if scale else ((), ())
    tensors += [Tensor(n, "float32", np.shape(f(*zeros)), *scales) for n, f in functions.items()]
    names = [*inputs, *functions]
    numbers = {name: place for place, name in enumerate(names)}
    graph = Graph("onnx", (), tuple(tensors), {n: numbers[n] for n in inputs}, {n: numbers[n] for n in functions})

    def run(values: Any) -> Any:
        return {name: np.asarray(f(*(values[one] for one in inputs))) for name, f in functions.items()}

    return Model(graph, run if runs else None)


def boxes(x: Any) -> Any:
    return x.reshape(1, -1, 4)[:, :, :4] * 2


def scores(x: Any) -> Any:
    return np.tanh(x.reshape(1, -1, 4))


SOURCE = model({"image": SHAPE}, {"boxes": boxes, "scores": scores})


def outputs(found: PortMap) -> dict[str, str]:
    return {one.before: one.after for one in found.outputs}


def test_renamed_and_reordered_outputs() -> None:
    after = model({"input:0": SHAPE}, {"Identity:0": scores, "Identity_1:0": boxes})
    found = map_ports(SOURCE, after)
    assert outputs(found) == {"boxes": "Identity_1:0", "scores": "Identity:0"}
    assert [(one.before, one.after, one.by) for one in found.inputs] == [("image", "input:0", "only")]
    assert found.is_certain
    assert all(one.difference == 0 for one in found.outputs)


def test_names_that_lie_are_said() -> None:
    after = model({"image": SHAPE}, {"boxes": scores, "scores": boxes})
    found = map_ports(SOURCE, after)
    assert outputs(found) == {"boxes": "scores", "scores": "boxes"}
    assert not found.is_certain
    assert all("is called" in one.remarks[0] for one in found.outputs)


def test_an_output_with_other_values_has_no_like() -> None:
    after = model({"image": SHAPE}, {"boxes": boxes, "scores": lambda x: -scores(x)})
    found = map_ports(SOURCE, after)
    assert (outputs(found), found.only_before, found.only_after) == ({"boxes": "boxes"}, ("scores",), ("scores",))


def test_equal_outputs_are_ambiguous_and_taken_by_name() -> None:
    before = model({"x": SHAPE}, {"first": boxes, "second": boxes})
    after = model({"x": SHAPE}, {"a_second": boxes, "a_first": boxes})
    found = map_ports(before, after)
    assert outputs(found) == {"first": "a_first", "second": "a_second"}
    assert all(one.remarks[0].startswith("ambiguous") for one in found.outputs)


def test_rounding_of_a_quantized_model_is_no_difference() -> None:
    rough = model({"x": SHAPE}, {"a": lambda x: boxes(x) + 0.1, "b": scores}, scale=0.1)
    assert outputs(map_ports(SOURCE, rough)) == {"boxes": "a", "scores": "b"}
    exact = model({"x": SHAPE}, {"a": lambda x: boxes(x) + 0.1, "b": scores})
    assert outputs(map_ports(SOURCE, exact)) == {"scores": "b"}
    assert outputs(map_ports(SOURCE, exact, tolerance=0.5))["boxes"] == "a"


def test_channels_in_front() -> None:
    after = model({"x": (1, 3, 4, 4)}, {"y": lambda x: boxes(x.transpose(0, 2, 3, 1))})
    found = map_ports(model({"x": SHAPE}, {"boxes": boxes}), after)
    assert found.inputs[0].transposed
    assert outputs(found) == {"boxes": "y"}


def test_several_inputs_are_tried_in_every_order() -> None:
    def weighed(a: Any, b: Any, c: Any) -> Any:
        return a + 2 * b + 3 * c

    before = model({"a": SHAPE, "b": SHAPE, "c": SHAPE}, {"y": weighed})
    after = model({"c": SHAPE, "p": SHAPE, "q": SHAPE}, {"y": lambda c, p, q: weighed(q, c, p)})
    found = map_ports(before, after)
    assert {one.before: one.after for one in found.inputs} == {"a": "q", "b": "c", "c": "p"}
    assert found.is_certain


def test_inputs_that_may_be_exchanged_are_ambiguous() -> None:
    before = model({"a": SHAPE, "b": SHAPE}, {"y": lambda a, b: a + b})
    found = map_ports(before, before)
    assert {one.before: one.after for one in found.inputs} == {"a": "a", "b": "b"}
    assert all("ambiguous" in one.remarks[0] for one in found.inputs)


def broken(*_: Any) -> Any:
    raise RuntimeError("no\nkernel")


@pytest.mark.parametrize("run", [None, broken])
def test_without_values_shapes_and_names_decide(run: Run | None) -> None:
    shaped = {"boxes": boxes, "scores": scores, "count": lambda x: np.zeros(1)}
    renamed = {"out_scores": scores, "out_boxes": boxes, "count": lambda x: np.zeros(1)}
    after = Model(model({"x": SHAPE}, renamed).graph, run)
    found = map_ports(model({"image": SHAPE}, shaped), after)
    assert outputs(found) == {"boxes": "out_boxes", "scores": "out_scores", "count": "count"}
    assert {one.before: one.by for one in found.outputs} == {"boxes": "shape", "scores": "shape", "count": "name"}
    assert "ambiguous" in found.outputs[1].remarks[0]
    assert found.remarks[0].startswith("values were not compared: no")
    assert "\n" not in found.remarks[0]


def test_other_numbers_of_ports() -> None:
    more = model({"image": SHAPE, "mask": SHAPE}, {"boxes": lambda x, m: boxes(x)})
    found = map_ports(SOURCE, more)
    assert found.only_after == ("mask",)
    assert found.only_before == ("scores",)


def test_free_dimensions_and_integers() -> None:
    before = model({"ids": (-1, 5)}, {"y": lambda x: x * 2}, dtype="int32")
    after = model({"n": (1, 5)}, {"z": lambda x: x * 2}, dtype="int32")
    found = map_ports(before, after)
    assert outputs(found) == {"y": "z"}
    assert found.outputs[0].difference == 0


@given(st.permutations(range(4)), st.integers(0, 5))
def test_any_order_of_outputs_is_found(order: list[int], seed: int) -> None:
    functions = [lambda x, k=k: np.sin((k + 1) * x) for k in range(4)]
    before = model({"x": SHAPE}, {f"f{k}": functions[k] for k in range(4)})
    after = model({"x": SHAPE}, {f"g{place}": functions[k] for place, k in enumerate(order)})
    found = map_ports(before, after, seed)
    assert outputs(found) == {f"f{k}": f"g{place}" for place, k in enumerate(order)}


def test_differences() -> None:
    one = np.arange(24.0).reshape(1, 2, 3, 4)
    assert difference(one, one.transpose(0, 3, 1, 2)) == 0
    assert difference(one, one[:, :1]) == float("inf")
    assert difference(one, np.full_like(one, np.nan)) == float("inf")
    assert difference(one, one + 2.3) == pytest.approx(0.1)
    assert turn(one, (1, 4, 2, 3)).shape == (1, 4, 2, 3)
    assert turn(one, (1, 9, 9, 9)) is one
