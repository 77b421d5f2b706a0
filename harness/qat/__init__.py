"""Quantization-aware training of Keras models: rewritten, given ranges, fine-tuned, exported on the int8 grid."""
