"""The named lists on frozen zoo models: nothing of batch normalization is left, and the function is the same."""

from __future__ import annotations

import pytest

from harness.graph.transforms import lists

from tests.harness.graph.transforms.conftest import Lab, ops

SHAPE = (-1, 32, 32, 3)


def lab_of(name: str, request: pytest.FixtureRequest) -> Lab:
    lab: Lab = request.getfixturevalue(name)
    return lab


@pytest.mark.parametrize(("model", "norms"), [("mobilenet", 52), ("resnet", 53)])
@pytest.mark.parametrize("name", ["deployment", "mobile"])
def test_all_batch_norms_fold(model: str, norms: int, name: str, request: pytest.FixtureRequest) -> None:
    lab = lab_of(model, request)
    assert ops(lab.content)["FusedBatchNormV3"] == norms
    done = lab.transform(lists.named(name, SHAPE))
    left = ops(done.graph_def)
    assert not {"FusedBatchNormV3", "Mul", "Rsqrt"} & set(left)
    assert done.refused is None
    assert lab.spread() > 0.05
    assert lab.difference(done.graph_def) <= 1e-5
    step = next(step for step in done.steps if step.call == "fold_batch_norms")
    assert (step.changed, step.notes) == (norms, ())
    assert len(done.graph_def.node) < len(lab.content.node) / 2
    assert done.graph_def.ByteSize() < lab.content.ByteSize()


@pytest.mark.parametrize("model", ["mobilenet", "resnet"])
def test_quantized_weights_take_a_quarter(model: str, request: pytest.FixtureRequest) -> None:
    lab = lab_of(model, request)
    done = lab.transform(lists.named("quantize_weights", SHAPE))
    assert 0.24 < done.graph_def.ByteSize() / lab.content.ByteSize() < 0.28
    assert done.refused is None
    assert lab.difference(done.graph_def) < lab.spread()


def test_batch_norms_fold_without_any_other_transform(mobilenet: Lab) -> None:
    """TensorFlow's own folding does nothing here without a word, because the weights come through copies."""
    done = mobilenet.transform("fold_batch_norms")
    assert (done.steps[0].changed, ops(done.graph_def)["FusedBatchNormV3"]) == (52, 0)
    assert mobilenet.difference(done.graph_def) <= 1e-5


def test_all_others_keep_the_function_exactly(mobilenet: Lab) -> None:
    done = mobilenet.transform(
        "remove_nodes(op=Identity) fold_constants merge_duplicate_nodes remove_attribute(attribute_name=_output_shapes)"
        " obfuscate_names sort_by_execution_order"
    )
    assert mobilenet.difference(done.graph_def) == 0
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
