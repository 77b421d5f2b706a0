"""TFLite flatbuffer through ``tf.lite.TFLiteConverter`` from the shared SavedModel: batch 1, readable names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from harness.errors import StageFailed, Unsupported
from harness.exporters.contract import Artifact, Model

PACKAGES: tuple[str, ...] = ("tensorflow", "numpy")
FORMAT = "tflite"
MEMORY_PER_WEIGHT_BYTE = 9.0


@dataclass
class Options:
    """Nothing to set: the scheme belongs to the quantizer."""


def export(model: Model, options: Options, out: Path) -> Artifact:  # noqa: ARG001 - the contract of an exporter
    """Convert with the scheme of the recipe.

    Raises:
        Unsupported: ``deny_needs_int8``.
        StageFailed: ``deny_ops_match_nothing``, ``deny_layers_match_nothing``; and what the converter raises.
    """
    import tensorflow as tf

    with _without_loading():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(model.saved_model), signature_keys=["serving_default"])
        _apply(converter, model)
        content = _convert(converter, model)
    (out / "model.tflite").write_bytes(_readable_names(content))
    return Artifact("model.tflite", {})


@contextlib.contextmanager
def _without_loading() -> Iterator[None]:
    """Spare the converter two of its three readings of the SavedModel, a third of a conversion of MobileNetV2.

    It builds every function and restores every weight twice only to look at the names of the signatures and at
    the debug info; the conversion itself reads the folder on its own. The files are the same, byte for byte.
    """
    from tensorflow.lite.python import lite

    usual = getattr(lite, "_load", None)
    if usual is None:  # another TensorFlow: let it load
        yield
        return
    lite._load = _described
    try:
        yield
    finally:
        lite._load = usual


def _described(folder: str, tags: object = None) -> SimpleNamespace:  # noqa: ARG001 - as ``tf.saved_model.load``
    """Return signatures and debug info of a SavedModel with one graph."""
    from tensorflow.python.saved_model.loader_impl import parse_saved_model_with_debug_info

    content, debug_info = parse_saved_model_with_debug_info(folder)
    return SimpleNamespace(signatures=dict(content.meta_graphs[0].signature_def), graph_debug_info=debug_info)


def _apply(converter: Any, model: Model) -> None:
    """Set the converter as the scheme asks; the names follow TensorFlow's guide on post-training quantization."""
    import tensorflow as tf

    scheme, ops = model.recipe["scheme"], tf.lite.OpsSet
    sparse = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY] if model.recipe.get("sparse") else []
    if scheme == "none":
        converter.optimizations = sparse
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT, *sparse]
    converter._experimental_disable_per_channel = not model.recipe.get("per_channel", True)
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if model.recipe.get("calibration_images"):
        converter.representative_dataset = representative_dataset(model)
    if scheme in ("int8", "int8_only", "uint8_only") and model.recipe.get("calibration_images") and not _denied(model):
        converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
    if scheme == "int16x8":
        converter.target_spec.supported_ops = [ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
        # the new quantizer cannot do it: it would calibrate, then hand over to the old one, which calibrates again
        converter.experimental_new_quantizer = False
    io = {"int8_only": tf.int8, "uint8_only": tf.uint8}.get(scheme)
    if io is not None:
        converter.inference_input_type = converter.inference_output_type = io


def representative_dataset(model: Model) -> Callable[[], Iterator[list[Any]]]:
    """Return the converter's generator over the calibration images: float32, 1×H×W×C, preprocessed."""
    import numpy as np

    from zoo import preprocessing

    images = np.load(model.calibration, mmap_mode="r")[: model.recipe["calibration_images"]]

    def generate() -> Iterator[list[Any]]:
        for image in images:
            yield [preprocessing.apply(image[None], model.info["preprocessing"])]

    return generate


def _denied(model: Model) -> bool:
    return bool(model.recipe.get("deny_ops") or model.recipe.get("deny_layers"))


def _convert(converter: Any, model: Model) -> bytes:
    """Convert; with a deny-list through ``QuantizationDebugger``, the converter's public way to keep ops in float.

    It makes int8 with float input and output whatever the converter was told, so no other scheme may pass.
    """
    if not _denied(model):
        content: bytes = converter.convert()
        return content
    import tensorflow as tf

    if model.recipe["scheme"] != "int8":
        message = f"deny_ops and deny_layers work with the scheme int8 alone, not with {model.recipe['scheme']}"
        raise Unsupported(message, "deny_needs_int8")
    debug = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=model.recipe.get("deny_ops") or None,
        denylisted_nodes=_matching_nodes(model) or None,
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=representative_dataset(model), debug_options=debug
    )
    kept: bytes = debugger.get_nondebug_quantized_model()
    return kept


def _matching_nodes(model: Model) -> list[str]:
    """Return the output tensor names of the float model that belong to ``deny_layers``; check ``deny_ops`` as well.

    The tensor of an output is looked for by the output's own name too.
    """
    from harness.graph import tflite

    graph = tflite.parse(_plain(model))
    ops, layers = model.recipe.get("deny_ops") or [], model.recipe.get("deny_layers") or []
    _require_all("deny_ops", ops, [node.op for node in graph.nodes])
    own = {number: name for name, number in graph.outputs.items()}
    numbers = {number for node in graph.nodes for number in node.outputs}
    texts = {graph.tensors[i].name: f"{graph.tensors[i].name} {own.get(i, '')}" for i in numbers}
    _require_all("deny_layers", layers, [part for part in layers if any(part in text for text in texts.values())])
    return sorted(name for name, text in texts.items() if any(part in text for part in layers))


def _plain(model: Model) -> bytes:
    import tensorflow as tf

    plain = tf.lite.TFLiteConverter.from_saved_model(str(model.saved_model), signature_keys=["serving_default"])
    content: bytes = plain.convert()
    return content


def _require_all(key: str, wanted: list[str], found: list[str]) -> None:
    """Raise ``StageFailed`` when something wanted was not found: a misspelt name must not quietly do nothing."""
    lost = [name for name in wanted if name not in found]
    if lost:
        known = f"; it has {', '.join(sorted(set(found)))}" if key == "deny_ops" else ""
        raise StageFailed(f"{key}: nothing in the model matches {', '.join(lost)}{known}", f"{key}_match_nothing")


def _readable_names(content: bytes) -> bytes:
    """Return the flatbuffer with input and output tensors named as in the signature."""
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    for signature in model.signatureDefs or []:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        for entry in [*signature.inputs, *signature.outputs]:
            tensors[entry.tensorIndex].name = entry.name
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
