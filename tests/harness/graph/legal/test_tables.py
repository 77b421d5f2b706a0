"""The tables of names: each name is one of its framework, each legal name one of the vocabulary."""

from __future__ import annotations

import pytest

from harness.graph.legal import tables
from harness.graph.legal.recipes import RECIPES
from harness.graph.legal.tables import FORMATS, entry, kinds, table


@pytest.mark.parametrize("framework", sorted(set(FORMATS.values())))
def test_every_entry_leads_to_the_vocabulary_and_to_a_recipe(framework: str) -> None:
    found = table(framework)
    assert len(found) > 80
    for name, one in found.items():
        assert one.recipe in RECIPES, name
        assert one.legal in kinds() or (not one.legal and one.recipe != "renamed"), name


def test_no_legal_name_has_two_kinds() -> None:
    content = tables._content("vocabulary")
    names = [name for group in content.values() for name in group]
    assert len(names) == len(set(names)) == len(kinds())


def test_names_of_tflite_are_those_of_its_schema() -> None:
    from ai_edge_litert import schema_py_generated as schema

    known = {name for name in vars(schema.BuiltinOperator) if not name.startswith("_")}
    assert set(table("tflite")) <= known
    left = known - set(table("tflite")) - {"CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"}
    assert len(left) < len(known) / 5


def test_names_of_onnx_are_those_of_its_registry_and_their_opsets_right() -> None:
    import onnx

    history: dict[str, list[int]] = {}
    gone: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            history.setdefault(schema.name, []).append(schema.since_version)
            if schema.deprecated:
                gone[schema.name] = schema.since_version
    gone = {name: opset for name, opset in gone.items() if opset == max(history[name])}  # some came back
    for name, one in table("onnx").items():
        if "." in name:
            continue
        first, last = one.versions
        assert name in history, name
        if first:
            assert first == min(history[name]), name
        else:
            assert min(history[name]) <= 9, name
        assert (last + 1 == gone[name]) if name in gone else last >= 99, name


def test_names_of_tensorflow_are_those_of_its_registry() -> None:
    from tensorflow.python.framework import op_def_registry

    lost = [name for name in table("tensorflow") if op_def_registry.get(name) is None]
    assert not lost


def test_names_of_keras_are_layers_or_functions() -> None:
    import tf_keras
    from keras import layers as third
    from keras import ops

    known = {*dir(tf_keras.layers), *dir(third), "SyncBatchNormalization"}  # the last one of tf_keras's experimental
    classes = {name.replace("_", "") for name in dir(ops)}
    for name in table("keras"):
        if not name.startswith("tf."):
            assert name in known or name.lower() in classes, name


def test_an_operator_is_in_some_opsets_only() -> None:
    upsample, swish = entry("onnx", "Upsample"), entry("onnx", "HardSwish")
    assert upsample is not None
    assert swish is not None
    assert [upsample.is_in(opset) for opset in (6, 7, 9, 10, None)] == [True, True, True, False, True]
    assert [swish.is_in(opset) for opset in (13, 14)] == [False, True]
    assert entry("coreml", "Conv") is None


def test_frameworks_agree_on_common_names() -> None:
    names = {
        entry("tflite", "ADD"),
        entry("onnx", "Add"),
        entry("frozen", "AddV2"),
        entry("saved_model", "QuantizedAdd"),
    }
    assert {one.legal for one in names if one is not None} == {"Add"}
