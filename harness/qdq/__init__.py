"""ONNX graphs between QuantizeLinear and DequantizeLinear, rewritten so that a runtime finds its integer kernels."""
