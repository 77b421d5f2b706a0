"""Operators by what they do, for TFLite, ONNX and TensorFlow names alike."""

from __future__ import annotations

_FAMILIES = {
    "conv": "CONV_2D CONV_3D Conv Conv2D Conv3D _FusedConv2D ConvInteger QLinearConv com.microsoft.FusedConv",
    "depthwise": "DEPTHWISE_CONV_2D DepthwiseConv2dNative",
    "dense": "FULLY_CONNECTED MatMul Gemm _FusedMatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 BATCH_MATMUL "
    "MatMulInteger QLinearMatMul com.microsoft.QGemm com.microsoft.FusedMatMul",
    "add": "ADD Add AddV2 BiasAdd QLinearAdd com.microsoft.QLinearAdd",
    "mul": "MUL Mul com.microsoft.QLinearMul",
    "norm": "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 BatchNormalization BatchNormWithGlobalNormalization",
    "mean": "MEAN Mean ReduceMean GlobalAveragePool com.microsoft.QLinearGlobalAveragePool",
    "pool": "MAX_POOL_2D MaxPool AVERAGE_POOL_2D AvgPool AveragePool",
    "concat": "CONCATENATION Concat ConcatV2 com.microsoft.QLinearConcat",
    "softmax": "SOFTMAX Softmax com.microsoft.QLinearSoftmax",
    "quantize": "QUANTIZE QuantizeLinear",
    "dequantize": "DEQUANTIZE DequantizeLinear",
    "reshape": "RESHAPE Reshape Flatten SQUEEZE Squeeze EXPAND_DIMS ExpandDims Unsqueeze",
    "pad": "Pad PadV2 MirrorPad PAD PADV2 MIRROR_PAD",
    "activation": "Relu Relu6 LeakyRelu PRelu Elu Selu Sigmoid Tanh Softplus Clip HardSigmoid HardSwish Gelu Mish RELU "
    "RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU PRELU ELU LOGISTIC TANH HARD_SWISH GELU",
}
FAMILY = {op: family for family, ops in _FAMILIES.items() for op in ops.split()}
"""Operator → what it is in any format; operators with one name everywhere are not listed."""


def members(word: str) -> frozenset[str]:
    """Return all operators of a family."""
    return frozenset(_FAMILIES[word].split())


def family(op: str) -> str:
    """Return the word for an operator that does not depend on the format."""
    return FAMILY.get(op, op.lower().replace("_", ""))
