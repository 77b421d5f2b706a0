"""Benchmark and model-zoo evaluation harness: which models export, at what cost in accuracy, speed and size."""
