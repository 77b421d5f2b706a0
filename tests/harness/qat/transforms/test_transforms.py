"""Each transform keeps the function, does what its name says, and leaves alone what is not its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

from harness.errors import StageFailed
from harness.paths import conf_dir
from harness.qat import graph, transforms
from harness.qat.graph import Graph
from harness.qat.transforms import (
    affine_to_depthwise,
    constant_arithmetic,
    dropout,
    fused_activation,
    hard_sigmoid,
    hard_swish,
    merged_affine,
    standalone_batch_norm,
    swish,
)
from zoo import architectures, preprocessing, random_weights

layers = tf.keras.layers
Check = Callable[..., Graph]


def kinds(found: Graph) -> list[str]:
    return [call.kind for call in found.calls]


def model(*body: Callable[[Any], Any], channels: int = 3) -> Any:
    inputs = value = layers.Input((12, 12, channels))
    for one in body:
        value = one(value)
    return tf.keras.Model(inputs, value)


def hard(x: Any) -> Any:
    """As MobileNetV3 of Keras Applications spells it."""
    return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)


def then(*steps: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    def all_of_them(found: Graph) -> Graph:
        for step in steps:
            found = step(found)
        return found

    return all_of_them


def test_dropout_goes(same_function: Check) -> None:
    body = [layers.Conv2D(4, 3), layers.Dropout(0.5), layers.SpatialDropout2D(0.5), layers.Activation("linear")]
    found = same_function(model(*body, layers.ReLU()), dropout.apply)
    assert kinds(found) == ["Conv2D", "ReLU"]


def test_a_dropout_at_the_end_leaves_the_output_its_name(same_function: Check) -> None:
    found = same_function(model(layers.Conv2D(4, 3), layers.Dropout(0.5, name="last")), dropout.apply)
    assert list(found.outputs) == ["last"]


@pytest.mark.parametrize(
    "body",
    [
        layers.Rescaling(1 / 127.5, -1),
        layers.Rescaling([0.5, 0.25, 2.0]),
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]),
        lambda x: tf.math.multiply(x, [0.5, 2.0, 3.0]),
        lambda x: x + 3.0,
        lambda x: x - 3.0,
        lambda x: x * 0.25,
        lambda x: x / 4.0,
    ],
)
def test_arithmetic_with_constants_is_affine(same_function: Check, body: Callable[[Any], Any]) -> None:
    assert kinds(same_function(model(body), constant_arithmetic.apply)) == ["ChannelAffine"]


def test_normalization_learnt_from_data_is_affine(same_function: Check) -> None:
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (8, 12, 12, 3)))
    assert kinds(same_function(model(layer), constant_arithmetic.apply, as_it_is=True)) == ["ChannelAffine"]


@pytest.mark.parametrize(("operator", "kind"), [(tf.add, "Add"), (tf.multiply, "Multiply")])
def test_operators_on_two_values_become_layers(same_function: Check, operator: Any, kind: str) -> None:
    two = model(lambda x: operator(layers.Conv2D(4, 3)(x), layers.Conv2D(4, 3)(x)))
    assert kinds(same_function(two, constant_arithmetic.apply))[-1] == kind


@pytest.mark.parametrize("body", [tf.math.sin, lambda x: 3.0 - x, lambda x: 1.0 / (x + 9.0)])
def test_operators_without_a_layer_are_named(body: Callable[[Any], Any]) -> None:
    with pytest.raises(StageFailed, match=r"layer 'tf\..*' is the operator tf\."):
        constant_arithmetic.apply(graph.read(model(body)))


@pytest.mark.parametrize("activation", ["swish", "sigmoid", "softmax", "tanh"])
@pytest.mark.parametrize("layer", [layers.Conv2D, layers.Dense])
def test_activations_come_out(same_function: Check, layer: Any, activation: str) -> None:
    options = {"kernel_size": 3} if layer is layers.Conv2D else {}
    one = layer(4, activation=activation, name="it", **options)
    found = same_function(model(one), fused_activation.apply)
    assert kinds(found) == [layer.__name__, "Activation"]
    assert [call.name for call in found.calls] == ["it_linear", "it"]


def test_relu_stays_inside(same_function: Check) -> None:
    found = same_function(model(layers.Conv2D(4, 3, activation="relu")), fused_activation.apply)
    assert kinds(found) == ["Conv2D"]


def test_hard_sigmoid_goes_into_the_convolution_before(same_function: Check) -> None:
    body = model(lambda x: hard(layers.Conv2D(4, 1)(x)))
    found = same_function(body, then(constant_arithmetic.apply, hard_sigmoid.apply))
    assert kinds(found) == ["Conv2D", "ReLU"]
    assert found.calls[-1].config["max_value"] == 1


def test_a_convolution_that_others_use_too_is_left_alone(same_function: Check) -> None:
    def body(x: Any) -> Any:
        value = layers.Conv2D(4, 1)(x)
        return layers.Concatenate()([value, hard(value)])

    found = same_function(model(body), then(constant_arithmetic.apply, hard_sigmoid.apply))
    assert kinds(found) == ["Conv2D", "HardSigmoid", "Concatenate"]


@pytest.mark.parametrize("swapped", [False, True])
def test_hard_swish_is_one_layer(same_function: Check, swapped: bool) -> None:
    def body(x: Any) -> Any:
        pair = [x, hard(x)]
        return layers.Multiply()(pair[::-1] if swapped else pair)

    found = same_function(model(body), then(constant_arithmetic.apply, hard_sigmoid.apply, hard_swish.apply))
    assert kinds(found) == ["HardSwish"]


def test_hard_swish_as_what_xnnpack_has(same_function: Check) -> None:
    body = model(lambda x: layers.Multiply()([x, hard(x)]))
    steps = [constant_arithmetic.apply, hard_sigmoid.apply, hard_swish.apply, hard_swish.as_product]
    assert kinds(same_function(body, then(*steps))) == ["DepthwiseConv2D", "ReLU", "Multiply"]


def test_a_gate_of_another_value_is_no_hard_swish(same_function: Check) -> None:
    body = model(lambda x: layers.Multiply()([layers.MaxPooling2D(1)(x), hard(x)]))
    found = same_function(body, then(constant_arithmetic.apply, hard_sigmoid.apply, hard_swish.apply))
    assert "HardSwish" not in kinds(found)


@pytest.mark.parametrize(("cap", "plus", "factor"), [(5.0, 3.0, 1 / 6), (6.0, 2.0, 1 / 6), (6.0, 3.0, 1 / 5)])
def test_other_numbers_are_no_hard_sigmoid(same_function: Check, cap: float, plus: float, factor: float) -> None:
    body = model(lambda x: layers.ReLU(cap)(x + plus) * factor)
    found = same_function(body, then(constant_arithmetic.apply, hard_sigmoid.apply))
    assert kinds(found) == ["ChannelAffine", "ReLU", "ChannelAffine"]


@pytest.mark.parametrize("name", ["swish", "silu"])
def test_swish_is_a_sigmoid_and_a_product(same_function: Check, name: str) -> None:
    found = same_function(model(layers.Activation(name)), swish.apply)
    assert kinds(found) == ["Activation", "Multiply"]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1}])
def test_a_batch_normalization_alone_is_affine(same_function: Check, options: dict[str, Any]) -> None:
    found = same_function(model(layers.BatchNormalization(**options)), standalone_batch_norm.apply)
    assert kinds(found) == ["ChannelAffine"]


@pytest.mark.parametrize("layer", [layers.Conv2D(4, 3), layers.DepthwiseConv2D(3), layers.Dense(4)])
def test_a_batch_normalization_behind_weights_stays(same_function: Check, layer: Any) -> None:
    fresh = type(layer).from_config(layer.get_config())
    found = same_function(model(fresh, layers.BatchNormalization()), standalone_batch_norm.apply)
    assert kinds(found)[1] == "BatchNormalization"


def test_a_batch_normalization_behind_a_convolution_that_branches_is_affine(same_function: Check) -> None:
    def body(x: Any) -> Any:
        value = layers.Conv2D(4, 3)(x)
        return layers.Add()([value, layers.BatchNormalization()(value)])

    assert "ChannelAffine" in kinds(same_function(model(body), standalone_batch_norm.apply))


def test_affine_layers_in_a_row_are_one(same_function: Check) -> None:
    body = [
        layers.Rescaling(1 / 2),
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]),
        lambda x: tf.math.multiply(x, [0.5, 2.0, 3.0]),
    ]
    found = same_function(model(*body), then(constant_arithmetic.apply, merged_affine.apply))
    assert kinds(found) == ["ChannelAffine"]


def test_affine_layers_that_branch_are_not_merged(same_function: Check) -> None:
    def body(x: Any) -> Any:
        value = layers.Rescaling(2.0)(x)
        return layers.Add()([value, layers.Rescaling(3.0, 1.0)(value)])

    found = same_function(model(body), then(constant_arithmetic.apply, merged_affine.apply))
    assert kinds(found).count("ChannelAffine") == 2


def test_affine_becomes_a_depthwise_convolution(same_function: Check) -> None:
    body = model(layers.BatchNormalization())
    found = same_function(body, then(standalone_batch_norm.apply, affine_to_depthwise.apply))
    assert kinds(found) == ["DepthwiseConv2D"]
    assert found.calls[0].weights[0].shape == (1, 1, 3, 1)


def test_affine_on_a_vector_stays(same_function: Check) -> None:
    body = model(layers.GlobalAveragePooling2D(), layers.BatchNormalization())
    found = same_function(body, then(standalone_batch_norm.apply, affine_to_depthwise.apply))
    assert kinds(found) == ["GlobalAveragePooling2D", "ChannelAffine"]


FAST = {"ResNet50V2", "EfficientNetB0", "MobileNet", "MobileNetV2", "MobileNetV3Small"}
ZOO = {
    (about["architecture"], about["preprocessing"])
    for file in (conf_dir() / "model").glob("*.yaml")
    if (about := yaml.safe_load(file.read_text())).get("architecture")
}
SIDE = 64


@pytest.mark.parametrize(
    ("name", "pixels"),
    [pytest.param(*one, id=one[0], marks=[] if one[0] in FAST else pytest.mark.slow) for one in sorted(ZOO)],
)
def test_every_model_of_the_zoo_keeps_its_function(name: str, pixels: str) -> None:
    """With statistics as of a trained net: fresh ones are 0 and 1, and would hide what is done to them."""
    tf.keras.utils.set_random_seed(0)
    keras = architectures.build(name, (SIDE, SIDE, 3), 10)
    images = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    random_weights.enliven(keras, images, pixels)
    given = preprocessing.apply(images[:3], pixels)
    before = keras(given, training=False).numpy()
    rewritten = transforms.apply(graph.read(keras))
    (after,) = graph.build(rewritten)(given, training=False).values()
    apart = before.std(axis=0).max()
    assert apart > 1e-2  # images differ, or else anything would be the same
    assert np.abs(before - after.numpy()).max() <= 1e-3 * apart  # float sums in another order
    left = {"Rescaling", "Normalization", "TFOpLambda", "ChannelAffine", "Dropout", "HardSigmoid"}
    assert not left & set(kinds(rewritten))


def test_shared_layers_several_inputs_and_models_inside_are_refused() -> None:
    one = layers.Input((8, 8, 3))
    shared = layers.Conv2D(3, 1)
    with pytest.raises(StageFailed, match="used more than once"):
        graph.read(tf.keras.Model(one, shared(shared(one))))
    two = layers.Input((8, 8, 3))
    with pytest.raises(StageFailed, match="2 inputs"):
        graph.read(tf.keras.Model([one, two], layers.Add()([one, two])))
    inner = tf.keras.Model(one, layers.ReLU()(one))
    with pytest.raises(StageFailed, match="a model inside"):
        graph.read(tf.keras.Model(two, inner(two)))
