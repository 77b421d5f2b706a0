"""ONNX Runtime's dynamic quantization of the float ONNX file: int8 weights, activations quantized while it runs.

Of matrix products only: ONNX Runtime's ``ConvInteger`` is slower than its float convolution, and its own guide
advises static quantization for convolutional nets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StageFailed, Unsupported
from harness.exporters.contract import Artifact, Model
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("onnxruntime", "onnx")
REWRITES = True
MEMORY_PER_WEIGHT_BYTE = 8.0
OPERATORS = ("MatMul", "Gemm")


@dataclass
class Options:
    """See ``conf/quant/ort_dynamic.yaml``."""

    per_channel: bool = True


def refuses(options: Options, export: str) -> str | None:  # noqa: ARG001 - the contract of a quantizer
    """It takes ONNX files."""
    return None if export == "onnx" else f"ort_dynamic quantizes ONNX files; {export} makes none"


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return the recipe for ``rewrite``."""
    return {"scheme": "ort_dynamic", "per_channel": options.per_channel}


def rewrite(model: Model, out: Path) -> Artifact:
    """Quantize ``model.artifact``.

    Raises:
        Unsupported: ``nothing_to_quantize``.
        StageFailed: ``no_artifact``; and what ONNX Runtime and the checker raise.
    """
    from onnxruntime import quantization as ort

    from harness import to_onnx
    from harness.graph import onnx as reader

    if model.artifact is None:
        raise StageFailed("there is no ONNX file to start from", "no_artifact")
    wanted = [node for node in reader.read(model.artifact).nodes if node.op in OPERATORS]
    if not wanted:
        raise Unsupported(f"the model has no {' and no '.join(OPERATORS)}", "nothing_to_quantize")
    path = out / "model.onnx"
    with to_onnx.prepared(model.artifact, out) as prepared:
        ort.quantize_dynamic(
            prepared,
            str(path),
            op_types_to_quantize=list(OPERATORS),
            per_channel=model.recipe["per_channel"],
            weight_type=ort.QuantType.QInt8,
        )
    to_onnx.check(path)
    opset = to_onnx.verify(path, *to_onnx.signature(model.artifact))
    return Artifact("model.onnx", {"opset": opset, "form": f"{len(wanted)} MatMul and Gemm in int8, the rest in float"})
