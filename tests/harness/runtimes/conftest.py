"""Small artifacts of one network for the tests of runtimes, converted once in a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SHAPE = (1, 16, 16, 3)
CLASSES = 7


@dataclass(frozen=True)
class Artifacts:
    """Files of one session; ``reference`` is float32 name → (8, …) from TensorFlow for ``images``."""

    folder: Path
    images: np.ndarray
    reference: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def weights() -> dict[str, np.ndarray]:
    """Weights of a depthwise-separable network whose depthwise weights are large enough to be quantized."""
    random = np.random.default_rng(7)
    shapes = {"stem": (3, 3, 3, 128), "deep": (3, 3, 128, 1), "point": (1, 1, 128, 128), "head": (128, CLASSES)}
    return {name: (random.normal(size=s) / np.sqrt(np.prod(s[:-1]))).astype(np.float32) for name, s in shapes.items()}


def network(bake_batch: bool) -> Callable[[Any], dict[str, Any]]:
    """A MobileNet of one block with two outputs; ``bake_batch`` puts the 1 of the batch into a RESHAPE."""
    import tensorflow as tf

    values = {name: tf.constant(one) for name, one in weights().items()}

    def call(image: Any) -> dict[str, Any]:
        x = tf.nn.relu6(tf.nn.conv2d(image, values["stem"], 2, "SAME"))
        x = tf.nn.relu6(tf.nn.depthwise_conv2d(x, values["deep"] * 8, [1, 1, 1, 1], "SAME"))
        x = tf.nn.conv2d(x, values["point"], 1, "SAME")
        pooled = tf.reduce_mean(x, [1, 2])
        if bake_batch:
            pooled = tf.reduce_mean(tf.nn.relu(tf.reshape(x, [1, 64, 128])), 1)
        logits = pooled @ values["head"]
        return {"scores": tf.nn.softmax(logits * 4), "logits": logits}

    return call


def save(folder: Path, bake_batch: bool = False) -> Any:
    """Save the network as a SavedModel with one batch-1 signature; return the function."""
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec(SHAPE, tf.float32, name="image")
    function = tf.function(network(bake_batch), autograph=False).get_concrete_function(spec)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": function})
    return function


def convert(saved_model: Path, scheme: str, images: np.ndarray) -> bytes:
    """Convert for a scheme of ``conf/quant``."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=["serving_default"])
    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme in ("int8", "int8_only", "uint8_only"):
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    io = {"int8_only": tf.int8, "uint8_only": tf.uint8}.get(scheme)
    if io is not None:
        converter.inference_input_type = converter.inference_output_type = io
    content: bytes = converter.convert()
    return content


def write_onnx(path: Path, batch: int | str, kind: str = "FLOAT") -> None:
    """Write scores = softmax(4 · mean(image) @ head) with mean over the picture; ``batch`` a number or a name."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    head = np.random.default_rng(7).normal(size=(3, CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    entry = helper.make_tensor_value_info("image", getattr(TensorProto, kind), [batch, *SHAPE[1:]])
    result = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])
    graph = helper.make_graph(nodes, "toy", [entry], [result], [numpy_helper.from_array(head, "head")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save_model(model, str(path))


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Make every artifact once."""
    folder = tmp_path_factory.mktemp("artifacts")
    images = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE[1:])).astype(np.float32)
    function = save(folder / "saved_model")
    results = [function(np_image[None]) for np_image in images]
    reference = {name: np.concatenate([np.asarray(one[name]) for one in results]) for name in results[0]}
    for scheme in ("none", "dynamic", "int8", "int8_only", "uint8_only"):
        (folder / f"{scheme}.tflite").write_bytes(convert(folder / "saved_model", scheme, images))
    save(folder / "baked", bake_batch=True)
    (folder / "baked.tflite").write_bytes(convert(folder / "baked", "none", images))
    write_onnx(folder / "fixed.onnx", 1)
    write_onnx(folder / "free.onnx", "batch")
    write_onnx(folder / "integer.onnx", 1, "UINT8")
    return Artifacts(folder, images, reference)
