"""What the names at the head of a matrix mean, in a few words each."""

from __future__ import annotations

from collections.abc import Iterable

QUANTIZATIONS = {
    "none": "the float model",
    "float16": "float16 weights, computed in float32",
    "dynamic": "int8 weights, float activations",
    "int8": "int8 inside, float ports",
    "int8_only": "int8, ports too",
    "uint8_only": "int8 inside, uint8 ports",
    "int16x8": "16-bit activations, int8 weights",
    "qat": "trained for int8 by transforms of this project",
    "qat_stock": "trained for int8 by plain tfmot",
    "prune": "half of the weights zero, unless asked otherwise",
    "prune_int8": "pruned, then as int8",
    "prune_qat": "pruned, then trained for int8",
    "prune_xnnpack": "pruned for sparse kernels",
    "ort_static": "int8 by ONNX Runtime, calibrated",
    "ort_dynamic": "int8 by ONNX Runtime, ranges at run time",
    "aeq_int8": "int8 by ai-edge-quantizer",
    "aeq_dynamic": "int8 weights by ai-edge-quantizer",
    "aeq_dynamic_dw": "the same, depthwise kernels in float",
}
EXPORTS = {
    "onnx": "from the float or trained model",
    "onnx_qdq": "from the TFLite file, its integers between QuantizeLinear and DequantizeLinear",
    "tfjs": "TensorFlow.js",
}


def explained(columns: Iterable[tuple[str, str]]) -> str:
    """Return one line on the (quantization, exporter) of some columns; names that are not ours say nothing."""
    pairs = [(quant.partition("@")[0], export.partition("@")[0]) for quant, export in columns]
    quants = [name for name in QUANTIZATIONS if name in {quant for quant, _ in pairs}]
    exports = [name for name in EXPORTS if name in {export for _, export in pairs}]
    told = [f"{name}: {QUANTIZATIONS[name]}" for name in quants] + [f"{name}: {EXPORTS[name]}" for name in exports]
    return "; ".join(told) + "." if told else ""
