"""The one model that tfmot's policy for sparse inference takes."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_model_optimization as tfmot

from zoo import architectures


def test_it_has_the_shape_of_mobilenet() -> None:
    model = architectures.build("MobileNetSymmetric", (64, 64, 3), 10)
    theirs = tf.keras.applications.MobileNet(weights=None, input_shape=(64, 64, 3), classes=10)
    assert model.output_shape == (None, 10)
    assert model.count_params() == theirs.count_params()
    sizes = [layer.output_shape[1] for layer in model.layers if isinstance(layer, tf.keras.layers.DepthwiseConv2D)]
    assert sizes == [32, 16, 16, 8, 8, 4, 4, 4, 4, 4, 4, 2, 2]


def test_the_policy_takes_it_and_prunes_its_pointwise_convolutions() -> None:
    model = architectures.build("MobileNetSymmetric", (64, 64, 3), 10)
    schedule = tfmot.sparsity.keras.ConstantSparsity(0.5, 0)
    policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, schedule, pruning_policy=policy)
    pruned = [layer.layer.name for layer in wrapped.layers if hasattr(layer, "pruning_step")]
    assert pruned == [f"conv_pw_{number}" for number in range(1, 14)]
