"""Operators by what they are to a reader of a picture, for TFLite, ONNX and TensorFlow names alike."""

from __future__ import annotations

import re

ACTIVATIONS = frozenset({
    "Relu", "Relu6", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Clip", "HardSigmoid",
    "HardSwish", "Gelu", "Mish", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU",
    "LOGISTIC", "TANH", "HARD_SWISH", "GELU",
})  # fmt: skip
NEUTRAL = frozenset({
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "QuantizeLinear", "DequantizeLinear",
    "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVarsPerChannel",
})  # fmt: skip
"""Keep the value, or round it; TFLite's QUANTIZE and DEQUANTIZE are not here: they are borders worth a box."""

SCALES = frozenset({
    "BiasAdd", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "BatchNormWithGlobalNormalization",
    "BatchNormalization", "Add", "AddV2", "Sub", "Mul", "Div", "RealDiv", "ADD", "SUB", "MUL", "DIV",
})  # fmt: skip
"""Shift and stretch a value, when everything else that they read is constant."""

PADS = frozenset({"Pad", "PadV2", "MirrorPad", "PAD", "PADV2", "MIRROR_PAD"})

STORED = frozenset({
    "Const", "Constant", "ReadVariableOp", "DisableCopyOnRead", "Identity", "DEQUANTIZE", "DequantizeLinear", "DENSIFY",
    "RESHAPE", "Reshape", "TRANSPOSE", "Transpose", "CAST", "Cast", "ExpandDims", "EXPAND_DIMS", "Squeeze", "SQUEEZE",
    "Unsqueeze", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "VAR_HANDLE", "READ_VARIABLE",
})  # fmt: skip
"""The way of a weight from where it is stored to who uses it; not drawn when they read constants only."""

PRODUCTS = frozenset({"Mul", "MUL"})

CHANCE = re.compile(r"random|normal|uniform|multinomial|bernoulli|dropout", re.IGNORECASE)
"""Operators whose result is new each time, also when all that they read is constant."""

_FAMILIES = {
    "conv": "CONV_2D CONV_3D Conv Conv2D Conv3D _FusedConv2D ConvInteger QLinearConv com.microsoft.FusedConv",
    "depthwise": "DEPTHWISE_CONV_2D DepthwiseConv2dNative",
    "dense": "FULLY_CONNECTED MatMul Gemm _FusedMatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 BATCH_MATMUL "
    "MatMulInteger QLinearMatMul com.microsoft.QGemm com.microsoft.FusedMatMul",
    "add": "ADD Add AddV2 BiasAdd QLinearAdd com.microsoft.QLinearAdd",
    "mul": "MUL Mul com.microsoft.QLinearMul",
    "mean": "MEAN Mean ReduceMean GlobalAveragePool com.microsoft.QLinearGlobalAveragePool",
    "pool": "MAX_POOL_2D MaxPool AVERAGE_POOL_2D AvgPool AveragePool",
    "concat": "CONCATENATION Concat ConcatV2 com.microsoft.QLinearConcat",
    "softmax": "SOFTMAX Softmax com.microsoft.QLinearSoftmax",
    "quantize": "QUANTIZE QuantizeLinear",
    "dequantize": "DEQUANTIZE DequantizeLinear",
    "reshape": "RESHAPE Reshape Flatten SQUEEZE Squeeze EXPAND_DIMS ExpandDims Unsqueeze",
    "pad": " ".join(sorted(PADS)),
    "activation": " ".join(sorted(ACTIVATIONS)),
}
FAMILY = {op: family for family, ops in _FAMILIES.items() for op in ops.split()}
"""Operator → what it is in any format; operators with one name everywhere are not listed."""


def family(op: str) -> str:
    """Return the word for an operator that does not depend on the format."""
    return FAMILY.get(op, op.lower().replace("_", ""))
