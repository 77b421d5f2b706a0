"""The naive way to the harness's figures: all in one process, as in the tutorials.

    python tests/benchmarks/naive_script.py task.json

``naive.py`` writes ``task.json`` and compares. Nothing here knows the harness, except that images and random weights
come from the same functions of the zoo, and that it notes where the time goes.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
SCHEMES = ("none", "dynamic", "float16", "int8", "int8_only", "uint8_only", "int16x8")


class Stopwatch:
    """Seconds by what they went to."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Book the time of a block."""
        start = time.perf_counter()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Loaded:
    """An artifact ready to run."""

    predict: Callable[[Any], Any]
    """Float32 images (1, H, W, C) → scores (1, classes)."""
    invoke: Callable[[], object]
    """The run alone, on what was last predicted."""


def run(task: dict[str, Any], folder: Path) -> dict[str, float]:
    """Build, convert, load, evaluate and time; return where the time went."""
    watch = Stopwatch()
    with watch("imports"):
        import numpy as np
        import onnxruntime  # noqa: F401 - all imports at the top, as in any script
        import tensorflow as tf
        import tf2onnx
        from ai_edge_litert.interpreter import Interpreter  # noqa: F401
    with watch("building: images, model, SavedModel"):
        model, calibration, images = build(task)
        expected = model.predict(images, verbose=0)
        tf.saved_model.save(model, str(folder / "saved_model"))
    with watch("converting"):
        for scheme in SCHEMES:
            (folder / f"{scheme}.tflite").write_bytes(convert(model, scheme, calibration))
        spec = [tf.TensorSpec((1, *images.shape[1:]), tf.float32, name="image")]
        tf2onnx.convert.from_keras(model, spec, opset=13, output_path=str(folder / "none.onnx"))
    for cell, effort in task["cells"].items():
        quant, export, runtime = cell.split("/")
        artifact = folder / ("saved_model" if export == "saved_model" else f"{quant}.{export}")
        with watch("loading"):
            loaded = load(artifact, runtime)
        with watch("inference"):
            scores = np.concatenate([loaded.predict(image[None]) for image in images[: effort["images"]]])
            times = time_it(loaded, effort)
        agreement = (scores.argmax(1) == expected[: len(scores)].argmax(1)).mean()
        print(f"{cell} {statistics.median(times) * 1e3:.2f} ms, agreement {agreement:.3f}", flush=True)
    return watch.parts


def build(task: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the Keras model with the harness's random weights, and float32 calibration and evaluation images."""
    import numpy as np
    import tensorflow as tf

    from zoo import preprocessing, random_weights
    from zoo.data import photos

    about = task["model"]
    mode = about["preprocessing"]
    shape = (about["effective_size"], about["effective_size"], 3)
    dataset = photos.load(task["task"], shape, task["seed"])
    calibration = np.stack([image for image, _ in dataset.calibration.samples])
    images = np.stack([image for image, _ in dataset.evaluation.samples])
    tf.keras.utils.set_random_seed(task["seed"])
    model = getattr(tf.keras.applications, about["architecture"])(weights=None, input_shape=shape)
    random_weights.enliven(model, calibration, mode)
    return model, preprocessing.apply(calibration, mode), preprocessing.apply(images, mode)


def convert(model: Any, scheme: str, calibration: Any) -> bytes:
    """Return the .tflite file of a Keras model, as TensorFlow's guide on post-training quantization does it."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if "int" in scheme:
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if scheme == "int16x8":
        kernels = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [kernels]
    if scheme.endswith("_only"):
        converter.inference_input_type = converter.inference_output_type = getattr(tf, scheme.removesuffix("_only"))
    content: bytes = converter.convert()
    return content


def load(artifact: Path, runtime: str) -> Loaded:
    """Load an artifact for one thread."""
    if runtime == "onnxruntime":
        return load_onnx(artifact)
    return load_saved_model(artifact) if runtime == "tensorflow" else load_tflite(artifact, runtime)


def load_tflite(artifact: Path, runtime: str) -> Loaded:
    """Load for LiteRT, with XNNPACK or with its own kernels."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain, auto = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.AUTO
    kernels = auto if runtime == "xnnpack" else plain
    interpreter = Interpreter(model_path=str(artifact), experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def predict(image: Any) -> Any:
        if source["dtype"] != np.float32:
            scale, zero = source["quantization"]
            limits = np.iinfo(source["dtype"])
            image = np.clip(np.rint(image / scale) + zero, limits.min, limits.max).astype(source["dtype"])
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return Loaded(predict, interpreter.invoke)


def load_onnx(artifact: Path) -> Loaded:
    """Load for ONNX Runtime; ``invoke`` runs the image of the last ``predict``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
    given: dict[str, Any] = {}

    def predict(image: Any) -> Any:
        given[session.get_inputs()[0].name] = image
        return session.run(None, given)[0]

    return Loaded(predict, lambda: session.run(None, given))


def load_saved_model(artifact: Path) -> Loaded:
    """Load the SavedModel into TensorFlow, which has its threads already."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(artifact))
    signature = loaded.signatures["serving_default"]
    name = next(iter(signature.structured_input_signature[1]))
    given: dict[str, Any] = {}

    def predict(image: Any) -> Any:
        given[name] = tf.constant(image)
        return next(iter(signature(**given).values())).numpy()

    return Loaded(predict, lambda: next(iter(signature(**given).values())).numpy())


def time_it(loaded: Loaded, effort: dict[str, int]) -> list[float]:
    """Warm up, then return the seconds of single runs."""
    for _ in range(effort["warmups"]):
        loaded.invoke()
    times = []
    for _ in range(effort["samples"]):
        start = time.perf_counter()
        loaded.invoke()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    file = Path(sys.argv[1])
    print(json.dumps(run(json.loads(file.read_text()), file.parent)))
