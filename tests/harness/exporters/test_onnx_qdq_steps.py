"""TFLite to ONNX, operator by operator: given LiteRT's own integers, none is more than one step away from LiteRT.

A mean that tf2onnx names otherwise cannot be cut off what reads it: two roundings may be two steps away.

Where a network rounds means (squeeze and excite), whole networks drift apart: each kernel is right, and 0.5 goes up
in one and down in the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import processor
from harness.exporters import onnx_qdq, tflite
from harness.exporters.contract import Model

SIZE = 80
"""No net has as many channels as pixels in a row then, so that it is clear which is which."""
BIASED = 128
"""LiteRT's int8 becomes uint8: the same steps, this much higher."""


@dataclass
class Steps:
    """The ONNX graph cut at each rounding, and what LiteRT has there."""

    proto: Any
    constants: dict[str, Any]
    producers: dict[str, Any]
    measured: dict[str, np.ndarray]

    def apart(self, output: str) -> tuple[int, int, list[str]]:
        """Return how many steps an operator is off, how often it rounds, and what it is made of."""
        import onnx
        import onnxruntime as ort

        made_of, given, waiting = [], set(), [output]
        while waiting:
            name = waiting.pop()
            if name in self.measured and name != output:
                given.add(name)
            elif name in self.producers and self.producers[name] not in made_of:
                made_of.append(self.producers[name])
                waiting.extend(self.producers[name].input)
        ordered = [node for node in self.proto.graph.node if node in made_of]
        used = {name for node in ordered for name in node.input} & set(self.constants)
        graph = onnx.helper.make_graph(
            ordered, "one", [self._port(name) for name in sorted(given)], [self._port(output)],
            [self.constants[name] for name in sorted(used)],
        )  # fmt: skip
        one = onnx.helper.make_model(graph, opset_imports=self.proto.opset_import, ir_version=self.proto.ir_version)
        settings = ort.SessionOptions()
        settings.add_session_config_entry(*processor.ORT_EXACT_INT8)
        session = ort.InferenceSession(one.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {name: self.measured[name] for name in given})
        distance = np.abs(found.astype(int) - self.measured[output].astype(int))
        kinds = [node.op_type for node in ordered]
        return int(distance.max()), kinds.count("QuantizeLinear"), [kind for kind in kinds if "Linear" not in kind]

    def _port(self, name: str) -> Any:
        import onnx

        dtype = onnx.helper.np_dtype_to_tensor_dtype(self.measured[name].dtype)
        return onnx.helper.make_tensor_value_info(name, dtype, None)


def measure(path: Path, interpreter: Any, image: np.ndarray) -> Steps:
    """Put LiteRT's numbers where the ONNX graph rounds; both call it the same."""
    import onnx

    proto = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    theirs = {one["name"]: one for one in interpreter.get_tensor_details()}
    shapes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in proto.graph.value_info}
    measured: dict[str, np.ndarray] = {"image": image}
    for node in proto.graph.node:
        name = node.output[0]
        if node.op_type == "QuantizeLinear" and name in theirs:
            value = interpreter.get_tensor(theirs[name]["index"]).astype(int) + BIASED
            measured[name] = laid_out(value, shapes[name]).astype(np.uint8)
    constants = {one.name: one for one in proto.graph.initializer}
    return Steps(proto, constants, {name: node for node in proto.graph.node for name in node.output}, measured)


def laid_out(value: np.ndarray, shape: list[int]) -> np.ndarray:
    """Bring channels to where ONNX has them."""
    assert value.ndim != 4 or value.shape[1:] == (1, 1, 1) or len(set(value.shape[1:])) > 1
    if value.ndim == len(shape) == 4 and list(value.shape) != shape:
        value = value.transpose(0, 3, 1, 2)
    return value.reshape(shape)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("architecture", "pixels", "kinds"),
    [
        ("ResNet50", "caffe", {"Conv", "Add", "MaxPool"}),
        ("ResNet50V2", "tf", {"Conv", "Add", "MaxPool"}),
        ("DenseNet121", "torch", {"Conv", "Concat", "AveragePool"}),
        ("EfficientNetB0", "none", {"Conv", "Add", "Mul", "Sigmoid"}),
        ("EfficientNetV2B0", "none", {"Conv", "Add", "Mul", "Sigmoid"}),
        ("MobileNet", "tf", {"Conv"}),
        ("MobileNetV2", "tf", {"Conv", "Add"}),
        ("MobileNetV3Small", "none", {"Conv", "Add", "Mul", "HardSigmoid"}),
    ],
)
def test_no_operator_of_a_kind_of_net_is_more_than_a_step_off(
    tmp_path: Path, architecture: str, pixels: str, kinds: set[str]
) -> None:
    import tf_keras
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from zoo import architectures, network, preprocessing, random_weights, saved_model

    tf_keras.utils.set_random_seed(0)
    keras = architectures.build(architecture, (SIZE, SIZE, 3), 10)
    images = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    random_weights.enliven(keras, images, pixels)
    built = network.from_keras(keras, (SIZE, SIZE, 3), "image")
    outputs = [{"name": name, "shape": list(shape)} for name, shape in saved_model.save(built, tmp_path / "s").items()]
    np.save(tmp_path / "images.npy", images)
    info = {"input": {"name": "image", "shape": [1, SIZE, SIZE, 3]}, "outputs": outputs, "preprocessing": pixels}
    recipe = {"scheme": "int8", "per_channel": True, "deny_ops": [], "deny_layers": [], "calibration_images": 8}
    model = Model(tmp_path / "s", info, recipe, tmp_path / "images.npy")
    lite = tmp_path / tflite.export(model, tflite.Options(), tmp_path).file
    converted = onnx_qdq.export(
        Model(model.saved_model, info, recipe, model.calibration, artifact=lite), onnx_qdq.Options(), tmp_path
    )
    interpreter = Interpreter(
        str(lite),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    image = preprocessing.apply(images[:1], pixels)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    steps = measure(tmp_path / converted.file, interpreter, image)
    found = {name: steps.apart(name) for name in steps.measured if name != "image"}
    assert len(found) > 25
    assert {name: one for name, one in found.items() if one[0] > one[1]} == {}
    assert np.mean([roundings == 1 for _, roundings, _ in found.values()]) > 0.9
    made_of = {kind for _, _, of in found.values() for kind in of}
    assert kinds <= made_of
    assert made_of & {"ReduceMean", "GlobalAveragePool"}
