"""A second opinion on post-training quantization: ai-edge-quantizer, which rewrites the float .tflite file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import StageFailed
from harness.exporters.contract import Artifact, Model
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("ai-edge-quantizer", "ai-edge-litert", "numpy")
REWRITES = True
MEMORY_PER_WEIGHT_BYTE = 10.0
_CODE_ELSEWHERE = 127
"""Of ``OperatorCode.deprecated_builtin_code``: the code does not fit, read ``builtin_code``."""


@dataclass
class Options:
    """See ``conf/quant/aeq_int8.yaml``."""

    kind: Literal["static", "dynamic"] = "static"
    float_depthwise: bool = False
    calibration_images: int = field(default=64, metadata={"min": 1, "max": 100_000})


def refuses(options: Options, export: str) -> str | None:  # noqa: ARG001 - the contract of a quantizer
    """It takes TFLite files."""
    return None if export == "tflite" else f"ai-edge-quantizer quantizes TFLite files; {export} makes none"


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return the recipe for ``rewrite``. Raises ``StageFailed``: ``no_calibration_images``."""
    import numpy as np

    recipe = {"scheme": f"aeq_{options.kind}", **asdict(options), "calibration_images": 0}
    if options.kind == "static":
        file = source.dataset / "calibration_images.npy"
        if not file.is_file():
            raise StageFailed("the task has no calibration images", "no_calibration_images")
        recipe["calibration_images"] = min(len(np.load(file, mmap_mode="r")), options.calibration_images)
    return recipe


def rewrite(model: Model, out: Path) -> Artifact:
    """Quantize ``model.artifact``, input and output left in float.

    Raises:
        StageFailed: ``no_artifact``, ``no_model``; and what ai-edge-quantizer raises.
    """
    from ai_edge_quantizer import quantizer

    if model.artifact is None:
        raise StageFailed("there is no TFLite file to start from", "no_artifact")
    static = model.recipe["kind"] == "static"
    work = quantizer.Quantizer(str(model.artifact), _recipe(static, model.recipe["float_depthwise"]))
    found = work.calibrate({"serving_default": _Samples(model)}, num_threads=2) if static else None
    made = work.quantize(found).quantized_model
    if made is None:
        raise StageFailed("ai-edge-quantizer gave no model", "no_model")
    (out / "model.tflite").write_bytes(_plain(bytes(made)))
    kept = ", depthwise convolutions in float" if model.recipe["float_depthwise"] else ""
    return Artifact("model.tflite", {"form": f"{model.recipe['kind']} by ai-edge-quantizer{kept}"})


def _plain(content: bytes) -> bytes:
    """Return the file as other tools expect it, inputs and outputs named as in the signature.

    ai-edge-quantizer puts the weights behind the flatbuffer, where only LiteRT looks for them; leaves the older of an
    operator's two code fields empty, which older readers (tf2onnx) take for ADD; and gives the name of an output to
    its integers, and to its float form one that tf2onnx makes itself.
    """
    from ai_edge_litert import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    for code in model.operatorCodes:
        code.deprecatedBuiltinCode = min(max(code.builtinCode, code.deprecatedBuiltinCode), _CODE_ELSEWHERE)
    for signature in model.signatureDefs or []:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        for entry in [*signature.inputs, *signature.outputs]:
            for tensor in tensors:
                tensor.name += b"_quantized" if tensor.name == entry.name else b""
            tensors[entry.tensorIndex].name = entry.name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _recipe(static: bool, float_depthwise: bool) -> Any:
    """Return all supported operators in int8; input, output and perhaps depthwise convolutions are left alone."""
    from ai_edge_quantizer import qtyping, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    names, manager = qtyping.TFLOperationName, recipe_manager.RecipeManager()
    if static:
        manager.add_static_config(".*", names.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
    else:
        manager.add_dynamic_config(".*", names.ALL_SUPPORTED, num_bits=8)
    for name in (names.INPUT, names.OUTPUT, *([names.DEPTHWISE_CONV_2D] if float_depthwise else [])):
        manager.add_quantization_config(".*", name, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return manager.get_quantization_recipe()


class _Samples:
    """The calibration images as often as they are asked for: float32, 1×H×W×C, by the name of the input."""

    def __init__(self, model: Model) -> None:
        import numpy as np

        self._images = np.load(model.calibration, mmap_mode="r")[: model.recipe["calibration_images"]]
        self._name, self._mode = model.info["input"]["name"], model.info["preprocessing"]

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from zoo import preprocessing

        for image in self._images:
            yield {self._name: preprocessing.apply(image[None], self._mode)}
