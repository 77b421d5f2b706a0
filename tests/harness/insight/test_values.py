"""Values between layers of real files: a layer that was broken on purpose is the one that is named, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.insight import errors, onnx, tflite
from zoo import preprocessing


def compared(module: Any, quantized: Path, floating: Path, images: Any) -> list[errors.Layer]:
    one, two = module.Values(quantized), module.Values(floating)
    common = [name for name in one.names() if name in set(two.names())]
    sums: dict[str, errors.Sums] = {}
    for image in preprocessing.apply(images, "tf"):
        left, right = one.run(image[None]), two.run(image[None])
        for name in common:
            assert left[name].shape == right[name].shape
            sums.setdefault(name, errors.Sums()).add(right[name], left[name])
    return errors.layers(sums, one.about())


MODULES = {"tflite": tflite, "onnx": onnx}


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_kernel_that_one_scale_cannot_bear_is_named(exported: dict[str, Path], images: Any, kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} tensor"], exported[f"{kind} none"], images)
    assert len(found) >= 5
    bad = errors.worst(found)[0]
    assert "broken" in bad.name or "after" in bad.name
    guilty = next(one for one in found if "broken" in one.name)
    assert guilty.channel_spread is not None
    assert guilty.channel_spread > 100
    assert guilty.weight_scale_min == guilty.weight_scale_max
    broken = errors.first_broken(found, 15)
    assert broken is not None
    assert broken.position >= guilty.position


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_scale_for_each_channel_is_told(exported: dict[str, Path], images: Any, kind: str) -> None:
    one, two = (
        {
            layer.name: layer
            for layer in compared(MODULES[kind], exported[f"{kind} {name}"], exported[f"{kind} none"], images)
        }
        for name in ("channels", "tensor")
    )
    assert "predictions" in one  # the output itself is compared as well
    name = next(name for name in two if "after" in name)
    assert (one[name].sqnr_db or 0) > (two[name].sqnr_db or 0)
    deep = next(layer for layer in one.values() if "broken" in layer.name)
    assert deep.weight_scale_min is not None
    assert deep.weight_scale_max is not None
    assert deep.weight_scale_max > 100 * deep.weight_scale_min


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_graph_against_itself_is_perfect(exported: dict[str, Path], images: Any, kind: str) -> None:
    found = compared(MODULES[kind], exported[f"{kind} none"], exported[f"{kind} none"], images)
    assert {one.sqnr_db for one in found} == {errors.CEILING_DB}


@pytest.mark.parametrize("layer", ["stem", "first", "broken", "after"])
def test_both_formats_tell_the_same_of_the_same_integers(exported: dict[str, Path], images: Any, layer: str) -> None:
    ratios = []
    for kind in ("tflite", "onnx"):
        found = compared(MODULES[kind], exported[f"{kind} channels"], exported[f"{kind} none"], images)
        ratios.append(next(one.sqnr_db for one in found if f"{layer}/" in one.name))
    assert ratios[0] == pytest.approx(ratios[1], abs=1.5)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("net/Conv1/Relu6;net/bn/FusedBatchNormV3;net/Conv1/Conv2D", "Conv1/Relu6;bn/FusedBatchNormV3;Conv1/Conv2D"),
        ("model_2/Conv1/Relu6", "Conv1/Relu6"),
        ("predictions", "predictions"),
    ],
)
def test_the_name_of_the_model_is_no_part_of_a_layers_name(name: str, key: str) -> None:
    assert tflite.key(name) == key
