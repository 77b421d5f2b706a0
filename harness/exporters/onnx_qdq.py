"""TFLite to ONNX: the integers of the .tflite file between QuantizeLinear and DequantizeLinear (QDQ), by tf2onnx."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness import litert_library
from harness.errors import StageFailed
from harness.exporters.contract import Artifact, Model
from harness.records import Value

PACKAGES: tuple[str, ...] = ("tensorflow", "tf2onnx", "onnx", "numpy", "ai-edge-litert")
INSTEAD = litert_library.INSTEAD
FORMAT = "onnx"
STARTS_FROM = "tflite"
MEMORY_PER_WEIGHT_BYTE = 20.0
PORTS = "harness.ports"
"""Key of the file's metadata: JSON, integer input or output → [scale, zero point], which ONNX has no place for."""


@dataclass
class Options:
    """See ``conf/export/onnx_qdq.yaml``."""

    opset: int = field(default=13, metadata={"min": 13, "max": 21})
    activations: Literal["uint8", "int8"] = "uint8"


def export(model: Model, options: Options, out: Path) -> Artifact:
    """Convert, name inputs and outputs as in the signature, check as ``exporters.onnx`` does.

    Raises:
        StageFailed: ``no_artifact``, ``wrong_opset``, ``lost_names``; and what tf2onnx and the checker raise.
    """
    from harness import to_onnx
    from harness.graph import tflite
    from harness.qdq import own_zeros, unsigned

    if model.artifact is None:
        raise StageFailed("there is no TFLite file to start from", "no_artifact")
    artifact, path = model.artifact, out / "model.onnx"
    graph = tflite.read(artifact)
    ports = {name: graph.tensors[number] for name, number in (*graph.inputs.items(), *graph.outputs.items())}
    proto = _newer(to_onnx.convert(lambda: _parse(artifact, options.opset)), options.opset)
    to_onnx.spell_hard_swish(proto, options.opset)
    _name_ports(proto, {ports[name].name: name for name in ports})
    if options.activations == "uint8":
        unsigned.apply(proto)
    own_zeros.apply(proto)
    scaled = {n: [t.scales[0], t.zero_points[0]] for n, t in ports.items() if len(t.scales) == 1}
    if scaled:
        proto.metadata_props.add(key=PORTS, value=json.dumps(scaled))
    to_onnx.write(proto, path)
    del proto
    values: dict[str, Value] = {"opset": to_onnx.verify(path, options.opset, list(graph.inputs), list(graph.outputs))}
    return Artifact("model.onnx", values | _form(graph, path, model.recipe["scheme"]))


def _parse(artifact: Path, opset: int) -> Any:
    """Return tf2onnx's graph of a .tflite file, not optimized yet."""
    from tf2onnx import tfonnx

    from harness.to_onnx import TF2ONNX_OPSETS

    return tfonnx.process_tf_graph(
        None, opset=min(opset, TF2ONNX_OPSETS[1]), tflite_path=str(artifact), input_names=None, output_names=None
    )


def _newer(proto: Any, opset: int) -> Any:
    """Return the model at an opset that tf2onnx does not write."""
    from onnx import version_converter

    from harness.to_onnx import TF2ONNX_OPSETS

    return version_converter.convert_version(proto, opset) if opset > TF2ONNX_OPSETS[1] else proto


def _name_ports(proto: Any, wanted: dict[str, str]) -> None:
    """Give inputs and outputs the names of the signature wherever tf2onnx has made others of them."""
    renamed = {}
    for port in (*proto.graph.input, *proto.graph.output):
        name = wanted.get(port.name, port.name)
        if name != port.name:
            renamed[port.name] = name
            port.name = name
    if not renamed:
        return
    for node in proto.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]


def _form(graph: Any, path: Path, scheme: str) -> dict[str, Value]:
    """Say whether the quantization of the .tflite file is still there, by the bytes of the weights."""
    from harness.graph import onnx
    from harness.metrics.audit import weights_bytes

    if scheme == "none":
        return {"form": "float32, by way of TFLite"}
    before, after = weights_bytes(graph), weights_bytes(onnx.read(path))
    small = ("int8", "uint8", "float16")
    kept = sum(after.get(dtype, 0) for dtype in small) >= 0.5 * sum(before.get(dtype, 0) for dtype in small)
    integers = (
        "the integers of the TFLite file, QDQ"
        if scheme != "dynamic"
        else "the int8 weights of the TFLite file, computed in float32"
    )
    form = integers if kept else "float32: conversion unpacks what was quantized"
    return {"form": form, "quantization_kept": kept}
