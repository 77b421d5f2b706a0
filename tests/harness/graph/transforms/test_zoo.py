"""The named lists on frozen zoo models: no batch normalization is left, and the function is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.graph.transforms import lists, values
from tests.harness.graph.transforms.conftest import SIZE, Lab, ops, unknown_attributes, zoo_lab

SHAPE = (-1, SIZE, SIZE, 3)
TOLERANCE = 3e-5
"""Of softmax outputs. Original and folded graph compute the same with other roundings: 4e-6 to 1.4e-5 were measured,
which is also how far the originals are from float64."""


def require_same(lab: Lab, content: object) -> None:
    """The graph is near the given one, and about as near to float64 as that: folding costs no accuracy."""
    difference, error, usual = lab.difference(content), lab.error(content), lab.error()
    assert lab.spread() > 0.5
    assert difference <= TOLERANCE
    assert error <= 3 * usual + 1e-6


def require_folded(lab: Lab, name: str, folded: int, left: int = 0) -> None:
    """A named list folds so many batch normalizations, says of the others why, and keeps the function."""
    assert ops(lab.content)["FusedBatchNormV3"] == folded + left
    done = lab.transform(lists.named(name, SHAPE))
    step = next(step for step in done.steps if step.call == "fold_batch_norms")
    assert (step.changed, ops(done.graph_def)["FusedBatchNormV3"], done.refused) == (folded, left, None)
    assert sum(int(text.split()[0]) for text in step.missed) == left
    assert unknown_attributes(done.graph_def) == []
    require_same(lab, done.graph_def)
    assert len(done.graph_def.node) < len(lab.content.node)
    assert done.graph_def.ByteSize() < lab.content.ByteSize()


@pytest.mark.parametrize("name", ["deployment", "mobile"])
def test_all_batch_norms_of_mobilenet_v2_fold(name: str, mobilenet: Lab) -> None:
    require_folded(mobilenet, name, 52)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "mode", "folded", "left"),
    [
        ("MobileNet", "tf", 27, 0),
        ("MobileNetV3Small", "none", 34, 0),
        ("ResNet50", "caffe", 53, 0),
        ("ResNet50V2", "tf", 32, 17),  # those before a convolution stay
        ("DenseNet121", "torch", 59, 62),
        ("EfficientNetB0", "none", 49, 0),
    ],
)
def test_batch_norms_of_other_families_fold(architecture: str, mode: str, folded: int, left: int) -> None:
    require_folded(zoo_lab(architecture, mode), "deployment", folded, left)


def test_quantized_weights_take_a_quarter_and_are_the_weights_within_a_step(mobilenet: Lab) -> None:
    folded = mobilenet.transform(lists.named("deployment", SHAPE)).graph_def
    done = mobilenet.transform(lists.named("quantize_weights", SHAPE))
    assert len(done.graph_def.node) < len(mobilenet.content.node)
    assert 0.24 < done.graph_def.ByteSize() / mobilenet.content.ByteSize() < 0.28
    assert (done.refused, done.missed) == (None, ())
    floats = {node.name: weights for node in folded.node if (weights := float_weights(node)) is not None}
    assert ops(done.graph_def)["Dequantize"] == len(floats) > 40
    back = replaced(done.graph_def, floats)
    assert mobilenet.run(done.graph_def)[0] == pytest.approx(mobilenet.run(back)[0], abs=1e-4)
    assert mobilenet.difference(done.graph_def) > 1e-4


def float_weights(node: Any) -> np.ndarray | None:
    """Return the numbers of a constant that is large enough to be stored in 8 bits."""
    import tensorflow as tf

    value = tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else np.zeros(())
    return value if value.dtype == np.float32 and value.size >= 1024 else None


def replaced(content: Any, floats: dict[str, np.ndarray]) -> Any:
    """Return a graph with float constants instead of Dequantize, computed in NumPy; each is within a step of before."""
    import tensorflow as tf

    back = type(content).FromString(content.SerializeToString())
    nodes = {node.name: node for node in back.node}
    for node in [node for node in back.node if node.op == "Dequantize"]:
        parts = [nodes[name].attr["value"].tensor for name in node.input]
        parts[0].dtype = tf.uint8.as_datatype_enum
        stored, low, high = (tf.make_ndarray(part).astype(np.float64) for part in parts)
        step = (high - low) / 255
        value = np.rint(low / step) * step + stored * step
        assert np.abs(value - floats[node.name]).max() <= step
        node.CopyFrom(values.const_node(node.name, value.astype(np.float32)))
        parts[0].dtype = tf.quint8.as_datatype_enum
    return back


def test_batch_norms_fold_without_any_other_transform(mobilenet: Lab) -> None:
    """TensorFlow's own folding does nothing here without a word, because the weights come through copies."""
    from tensorflow.python.tools import optimize_for_inference_lib

    copied = type(mobilenet.content).FromString(mobilenet.content.SerializeToString())
    library = optimize_for_inference_lib.fold_batch_norms(copied)
    assert ops(library)["FusedBatchNormV3"] == 52
    done = mobilenet.transform("fold_batch_norms")
    assert (done.steps[0].changed, ops(done.graph_def)["FusedBatchNormV3"]) == (52, 0)
    require_same(mobilenet, done.graph_def)


def test_all_others_keep_the_function_exactly(mobilenet: Lab) -> None:
    done = mobilenet.transform(
        "remove_nodes(op=Identity) fold_constants merge_duplicate_nodes remove_attribute(attribute_name=_output_shapes)"
        " obfuscate_names sort_by_execution_order"
    )
    difference = mobilenet.difference(done.graph_def)
    assert difference == 0
    assert [step.changed > 0 for step in done.steps[:5]] == [True, True, True, True, True]


def test_rounded_weights_compress(mobilenet: Lab) -> None:
    import zlib

    done = mobilenet.transform("fold_batch_norms fold_constants round_weights(num_steps=64)")
    size = len(zlib.compress(done.graph_def.SerializeToString(), 6))
    assert size < 0.45 * len(zlib.compress(mobilenet.content.SerializeToString(), 6))


def test_the_graph_that_was_given_stays_as_it_is(mobilenet: Lab) -> None:
    before = mobilenet.content.SerializeToString(deterministic=True)
    mobilenet.transform(lists.named("quantize_weights", SHAPE) + " obfuscate_names round_weights")
    assert mobilenet.content.SerializeToString(deterministic=True) == before
