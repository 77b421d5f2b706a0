"""The converter of tensorflowjs, kept from making graphs that its own library refuses.

Two kinds were met in the zoo. Grappler fuses for oneDNN what TensorFlow.js does not have: a batch norm with its ReLU
(DenseNet, ResNetV2: the converter refuses its own result), a hard-swish into a convolution (MobileNetV3: the wasm
backend refuses it). And the converter takes every sum behind a convolution for a bias, also one number or another
branch, where the bias itself was zero and has gone (MobileNetV3 with untrained weights: "rank-1 bias but got rank 0").
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import StageFailed

_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_SUMS = ("Add", "AddV2")


def convert(saved_model: Path, out: Path, storage: str) -> None:
    """Write the graph model of the signature ``serving_default`` into the folder ``out``.

    ``storage``: dtype of the weights in the file: float32, float16, uint16 or uint8.

    Raises:
        StageFailed: ``onednn_on``: another job of this process has imported TensorFlow already.
        ValueError: the converter's, for operators that TensorFlow.js does not have.
    """
    _leave_out_onednn()
    from tensorflowjs.converters import (  # type: ignore[import-not-found]
        convert_tf_saved_model,
        normalize_bias_add,
    )

    stored_as = None if storage == "float32" else {storage: True}
    with _sums_that_are_biases(normalize_bias_add):
        convert_tf_saved_model(str(saved_model), str(out), quantization_dtype_map=stored_as, strip_debug_ops=True)


def _leave_out_onednn() -> None:
    """Switch oneDNN off; TensorFlow asks for that once, when it is imported."""
    if "tensorflow" in sys.modules and os.environ.get(_ONEDNN) != "0":
        raise StageFailed("in this process TensorFlow already runs with oneDNN; the next run converts it", "onednn_on")
    os.environ[_ONEDNN] = "0"


@contextlib.contextmanager
def _sums_that_are_biases(module: Any) -> Iterator[None]:
    """Let the converter write a sum as ``BiasAdd`` only where a vector is added."""
    original = module.normalize_bias_add_op

    def normalize(graph_def: Any) -> Any:
        before = {node.name: node.op for node in graph_def.node}
        vectors = {node.name for node in graph_def.node if _is_vector(node)}
        made = original(graph_def)
        for node in made.node:
            if node.op == "BiasAdd" and before[node.name] in _SUMS and node.input[1] not in vectors:
                node.op = before[node.name]
                del node.attr["data_format"]
        return made

    module.normalize_bias_add_op = normalize
    try:
        yield
    finally:
        module.normalize_bias_add_op = original


def _is_vector(node: Any) -> bool:
    return node.op == "Const" and len(node.attr["value"].tensor.tensor_shape.dim) == 1
