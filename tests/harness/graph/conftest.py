"""Real artifacts to look into: one tiny network in every scheme, converted once."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCHEMES = ("float32", "float16", "dynamic", "int8", "int8_per_tensor", "int8_only", "uint8_only", "int16x8")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``saved_model/``, ``<scheme>.tflite``, ``float32.onnx``, ``frozen.pb``, ``model.keras``.

    The network: conv 3×3/2 (8) + BN + relu6, depthwise 3×3 + BN + relu6, conv 1×1 (160), mean, dense (10),
    softmax on 1×16×16×3: 13 824 + 4 608 + 81 920 + 1 600 = 101 952 multiply-adds. The middle 80 filters of
    the 1×1 convolution are zero.
    """
    folder = tmp_path_factory.mktemp("tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _network()
        model.save(folder / "model.keras")
        module = _save(model, folder / "saved_model")
        for scheme in SCHEMES:
            (folder / f"{scheme}.tflite").write_bytes(_convert(folder / "saved_model", scheme))
        (folder / "frozen.pb").write_bytes(_frozen(folder / "saved_model"))
        (folder / "float32.onnx").write_bytes(_to_onnx(module.call.get_concrete_function()))
    return folder


def _frozen(saved_model: Path) -> bytes:
    from harness import freezing

    graph_def, inputs, outputs = freezing.freeze(saved_model)
    freezing.name_ports(graph_def, inputs, outputs)
    return bytes(graph_def.SerializeToString(deterministic=True))


def _save(model: Any, folder: Path) -> Any:
    """Save the network through a bare module, as sources do; return the module, which keeps the variables."""
    import tensorflow as tf

    module = tf.Module()
    module.variables_ = model.variables
    spec = tf.TensorSpec([1, 16, 16, 3], tf.float32, name="image")
    module.call = tf.function(lambda image: {"scores": model(image, training=False)}, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.call})
    return module


def _network() -> Any:
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    x = image = layers.Input((16, 16, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    pointwise = layers.Conv2D(160, 1)
    x = layers.GlobalAveragePooling2D()(pointwise(x))
    model = tf_keras.Model(image, layers.Softmax()(layers.Dense(10)(x)))
    kernel, bias = pointwise.get_weights()
    kernel[..., 40:120] = 0
    pointwise.set_weights([kernel, bias])
    return model


def _convert(saved_model: Path, scheme: str) -> bytes:
    import tensorflow as tf

    ops = tf.lite.OpsSet
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    if scheme != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if "int" in scheme:
        converter.representative_dataset = _images
    if scheme == "int8_per_tensor":
        converter._experimental_disable_per_channel = True
    if scheme.endswith("_only"):
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8 if scheme == "uint8_only" else tf.int8
        converter.inference_output_type = converter.inference_input_type
    if scheme == "int16x8":
        converter.target_spec.supported_ops = [ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    return bytes(converter.convert())


def _images() -> Iterator[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    for _ in range(4):
        yield {"image": random.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)}


def _to_onnx(concrete: Any) -> bytes:
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(concrete)
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
        opset=13,
    )
    return bytes(model.SerializeToString())
