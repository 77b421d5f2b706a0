"""Names that converters give to one value are names of one value; and of others they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.insight import errors, onnx, pairing, tflite
from harness.insight.pairing import aligned, pairs, plain
from zoo import architectures, preprocessing

CALL = "StatefulPartitionedCall"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{CALL}/net/conv1/Conv2D:0", "net/conv1/Conv2D"),
        (f"{CALL}/net/conv1/Conv2D__6:0", "net/conv1/Conv2D"),
        (f"{CALL}/net/conv1_range/FakeQuantWithMinMaxVars_QuantizeLinear__17:0", "net/conv1/"),
        ("net/a/Relu;net/b/Conv2D1_prequant__1579:0", "net/a/Relu"),
        ("net/pool/MaxPool:0_quantized", "net/pool/MaxPool"),
        ("predictions", "predictions"),
        ("_range/FakeQuant", "_range/FakeQuant"),
    ],
)
def test_what_converters_put_around_a_name(name: str, expected: str) -> None:
    assert plain(name) == expected


def both(*names: tuple[str, str]) -> dict[str, str]:
    """Return the pairs of a graph whose values have the first names and one whose values have the second."""
    return pairs({one: (one,) for one, _ in names if one}, {two: (two,) for _, two in names if two})


@pytest.mark.parametrize(
    ("own", "floating"),
    [
        ("model_1/conv1_relu/Relu6;model_1/conv1/Conv2D", "net/conv1_relu/Relu6;net/conv1/Conv2D"),
        (f"{CALL}/model_1/stem_activation_sigmoid/Sigmoid:0", f"{CALL}/net/stem_activation/Sigmoid:0"),
        (f"{CALL}/model_1/stem_activation/mul:0", f"{CALL}/net/stem_activation/mul_1:0"),
        (f"{CALL}/model_1/normalization_range/FakeQuantWithMinMaxVars:0", f"{CALL}/net/normalization/truediv:0"),
        ("model_1/se_reduce_linear/BiasAdd", "net/se_reduce/BiasAdd"),
    ],
)
def test_two_names_of_one_value(own: str, floating: str) -> None:
    others = [(f"model_1/block{number}/Relu", f"net/block{number}/Relu") for number in range(9)]
    assert both((own, floating), *others) == {own: floating, **dict(others)}


def test_values_of_one_layer_are_not_mixed_up() -> None:
    own = ["m/a/Sigmoid", "m/a/mul", "m/b/Conv2D"]
    floating = ["net/a/BiasAdd", "net/a/mul_1", "net/b/Conv2D1"]
    found = pairs({name: (name,) for name in own}, {name: (name,) for name in floating})
    assert found == {"m/a/mul": "net/a/mul_1", "m/b/Conv2D": "net/b/Conv2D1"}


def test_as_many_of_one_operator_are_paired_in_their_order() -> None:
    own = ["n/a/add", "n/a/add_1", "n/b/Relu"]
    floating = ["n/a/add_1", "n/a/add_2", "n/b/Relu"]
    found = pairs({name: (name,) for name in own}, {name: (name,) for name in floating})
    assert found == dict(zip(own, floating, strict=True))


def test_the_model_around_the_layers_is_one_on_both_sides_or_on_none() -> None:
    layers = [f"block{number}/Relu" for number in range(8)]
    own = [f"m/{name}" for name in layers] + ["x/a", "y/a", "z/a"]
    floating = [f"net/{name}" for name in layers] + ["u/a", "v/a"]
    found = pairs({name: (name,) for name in own}, {name: (name,) for name in floating})
    assert {f"m/{name}": f"net/{name}" for name in layers}.items() <= found.items()


NAMES = st.lists(
    st.builds("/".join, st.tuples(st.sampled_from("mn"), st.sampled_from("abc"), st.sampled_from(["mul", "mul_1"]))),
    unique=True,
)


@given(NAMES, NAMES)
def test_no_value_has_two_partners(own: list[str], floating: list[str]) -> None:
    found = pairs({name: (name,) for name in own}, {name: (name,) for name in floating})
    assert set(found) <= set(own)
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(floating)


@given(NAMES)
def test_a_graph_is_its_own_partner(names: list[str]) -> None:
    side = {name: (name,) for name in names}
    assert pairs(side, side) == {name: name for name in names}


@given(st.tuples(*[st.integers(1, 4)] * 4), st.sampled_from([(0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 2, 3)]))
def test_channels_first_and_last_are_the_same_values(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    found = aligned(values.transpose(order), values)
    assert found is not None
    np.testing.assert_array_equal(found, values)


def test_other_shapes_are_no_partners() -> None:
    assert aligned(np.ones((1, 2, 3, 4)), np.ones((1, 4, 3, 2))) is None
    assert aligned(np.ones((0, 4)), np.ones((1, 4))) is None
    squeezed = aligned(np.ones((1, 1, 1, 7)), np.ones((1, 7)))
    assert squeezed is not None
    assert squeezed.shape == (1, 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "DenseNet121"])
def test_both_formats_name_the_same_layers(name: str, convert: Any, tmp_path: Path) -> None:
    """The same integers, in LiteRT and in ONNX Runtime: every value has a partner, the lowest are the same ones."""
    import tf_keras

    tf_keras.utils.set_random_seed(5)
    shape = (64, 64, 3)
    images = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8)
    files = convert(architectures.build(name, shape, 10), shape, images, tmp_path)
    told = []
    for kind, module in {"tflite": tflite, "onnx": onnx}.items():
        comparison = pairing.Comparison(module.Values(files[f"{kind} tensor"]), module.Values(files[f"{kind} none"]))
        for image in preprocessing.apply(images, "tf"):
            comparison.add(image[None])
        layers = comparison.layers()
        assert len(layers) >= 0.99 * comparison.computed()
        told.append({short(one): one.sqnr_db or 0.0 for one in layers})
    both = told[0].keys() & told[1].keys()
    assert len(both) >= 0.99 * len(told[0])
    near = [abs(told[0][layer] - told[1][layer]) < 2 for layer in both]
    assert sum(near) >= 0.9 * len(near)
    lowest = [set(sorted(one, key=one.__getitem__)[:10]) for one in told]
    assert len(lowest[0] & lowest[1]) >= 5


def short(layer: errors.Layer) -> str:
    """Return the layer's and the operator's own name, which TFLite and ONNX files have both."""
    return "/".join(plain(layer.name).split("/")[-2:])
