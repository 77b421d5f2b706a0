"""What the audit must know of operators, for TFLite, ONNX and TensorFlow names alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CONVERSIONS = frozenset({
    "QUANTIZE", "DEQUANTIZE", "CAST", "BITCAST", "DENSIFY",
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike", "Bitcast",
})  # fmt: skip
"""Change how a number is written; the borders of an integer model, not arithmetic of it."""

MOVES = frozenset({
    # TFLite
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "PAD", "PADV2", "MIRROR_PAD", "CONCATENATION", "SLICE",
    "STRIDED_SLICE", "SPLIT", "SPLIT_V", "PACK", "UNPACK", "GATHER", "GATHER_ND", "SCATTER_ND", "TILE",
    "SHAPE", "RANK", "FILL", "ZEROS_LIKE", "BROADCAST_TO", "BROADCAST_ARGS", "REVERSE_V2", "REVERSE_SEQUENCE",
    "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "RESIZE_NEAREST_NEIGHBOR",
    "EMBEDDING_LOOKUP", "SELECT", "SELECT_V2", "WHERE", "DYNAMIC_UPDATE_SLICE", "DILATE", "CALL_ONCE",
    "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "IF", "WHILE", "CALL", "STABLEHLO_COMPOSITE",
    "DELEGATE",
    # ONNX
    "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Pad", "Concat", "Slice", "Split", "Gather", "GatherND",
    "GatherElements", "ScatterND", "Tile", "Shape", "Size", "Expand", "Flatten", "Identity", "Constant",
    "ConstantOfShape", "DepthToSpace", "SpaceToDepth", "Where", "If", "Loop", "Scan", "Dropout",
    # TensorFlow
    "ExpandDims", "PadV2", "MirrorPad", "ConcatV2", "StridedSlice", "SplitV", "Pack", "Unpack", "GatherV2",
    "GatherNd", "Rank", "Fill", "ZerosLike", "BroadcastTo", "ReverseV2", "BatchToSpaceND", "SpaceToBatchND",
    "ResizeNearestNeighbor", "Const", "ReadVariableOp", "VarHandleOp", "NoOp", "IdentityN", "Placeholder",
    "PlaceholderWithDefault", "PartitionedCall", "StatefulPartitionedCall", "StatelessIf", "While",
    "StatelessWhile", "Select", "SelectV2", "StopGradient", "PreventGradient", "DisableCopyOnRead",
})  # fmt: skip
"""Copy, reorder, choose or describe numbers without computing new ones; and calls of sub-graphs."""

ACTIVATIONS = frozenset({"Relu", "Clip"})
"""ONNX activations that a runtime folds into the quantization that follows."""

UNCOUNTED = frozenset({
    "LSTM", "RNN", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "STABLEHLO_CONVOLUTION",
    "STABLEHLO_DOT_GENERAL", "GRU", "Einsum", "Attention", "DeformConv",
})  # fmt: skip
"""Do multiply-adds that nobody here counts; named in the audit so that a share is not read as the whole."""


@dataclass(frozen=True, slots=True)
class MacOp:
    """Where an operator that multiplies and adds keeps its operands, and how many multiply-adds it does.

    ``conv``: elements of the output × the kernel's sizes in ``kernel``;
    ``scatter`` (transposed convolution): elements of the data × the kernel's sizes in ``kernel``;
    ``matmul``: elements of the output × the length of the dimension that is summed over.
    """

    formula: Literal["conv", "scatter", "matmul"]
    data: int = 0
    weight: int = 1
    bias: int = 2
    kernel: tuple[int, int | None] = (1, None)
    """First and last (excluded) dimension of the kernel that one element meets."""


_OUT_FIRST = (1, None)
_OUT_LAST = (0, -1)

MAC_OPS: dict[str, MacOp] = {
    "CONV_2D": MacOp("conv", kernel=_OUT_FIRST),  # kernel (out, h, w, in / groups)
    "CONV_3D": MacOp("conv", kernel=_OUT_LAST),  # (d, h, w, in, out)
    "DEPTHWISE_CONV_2D": MacOp("conv", kernel=(1, 3)),  # (1, h, w, in × multiplier)
    "FULLY_CONNECTED": MacOp("conv", kernel=_OUT_FIRST),  # (out, in)
    "TRANSPOSE_CONV": MacOp("scatter", data=2, bias=3, kernel=_OUT_LAST),  # (out, h, w, in)
    "CONV_3D_TRANSPOSE": MacOp("scatter", data=2, bias=3, kernel=_OUT_LAST),  # (d, h, w, out, in)
    "BATCH_MATMUL": MacOp("matmul"),
    "Conv": MacOp("conv", kernel=_OUT_FIRST),  # (out, in / groups, spatial…)
    "ConvInteger": MacOp("conv", kernel=_OUT_FIRST),
    "QLinearConv": MacOp("conv", weight=3, bias=8, kernel=_OUT_FIRST),
    "ConvTranspose": MacOp("scatter", kernel=_OUT_FIRST),  # (in, out / groups, spatial…)
    "Gemm": MacOp("matmul"),
    "MatMul": MacOp("matmul"),  # of ONNX and of TensorFlow
    "MatMulInteger": MacOp("matmul"),
    "QLinearMatMul": MacOp("matmul", weight=3),
    "com.microsoft.QGemm": MacOp("matmul", weight=3, bias=6),
    "com.microsoft.FusedConv": MacOp("conv", kernel=_OUT_FIRST),
    "com.microsoft.FusedMatMul": MacOp("matmul"),
    "com.microsoft.DynamicQuantizeMatMul": MacOp("matmul", bias=4),
    "com.microsoft.MatMulIntegerToFloat": MacOp("matmul", bias=6),
    "Conv2D": MacOp("conv", kernel=_OUT_LAST),  # (h, w, in / groups, out)
    "Conv3D": MacOp("conv", kernel=_OUT_LAST),
    "_FusedConv2D": MacOp("conv", kernel=_OUT_LAST),
    "DepthwiseConv2dNative": MacOp("conv", kernel=(0, 2)),  # (h, w, in, multiplier)
    "FusedDepthwiseConv2dNative": MacOp("conv", kernel=(0, 2)),  # of TensorFlow.js
    "Conv2DBackpropInput": MacOp("scatter", data=2, bias=3, kernel=_OUT_LAST),  # (h, w, out, in)
    "_FusedMatMul": MacOp("matmul"),
    "BatchMatMul": MacOp("matmul"),
    "BatchMatMulV2": MacOp("matmul"),
    "BatchMatMulV3": MacOp("matmul"),
}
