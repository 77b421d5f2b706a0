"""Whatever is written as an override either composes or is one line that says what is wrong and what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import config, config_overrides
from harness.errors import UserError


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("quant=", ["quant: ''", "allowed: aeq_dynamic, aeq_dynamic_dw"]),
        ("quant=null", ["quant: None is no name (override 'quant=null')", "allowed: aeq_dynamic, aeq_dynamic_dw"]),
        ("model=3", ["model: 3 is no name", "allowed: all"]),
        ("runtime=[cpu,[xnnpack]]", ["runtime: ['xnnpack'] is no name"]),
        ("export={a: 1}", ["export: {'a': 1} is no name"]),
        ("export=[]", ["export: nothing chosen", "allowed: all, ", "onnx_qdq"]),
        ("task=[digits,photos]", ["task: one choice", "digits, imagefolder", "-m task="]),
        ("measure=[]", ["measure: one choice", "full, quick"]),
        ("~quant", ["quant: cannot be removed", "'~quant.<name>'"]),
        ("~task", ["task: cannot be removed", "allowed: task=…"]),
        ("~quant.int7", ["no key 'int7' under 'quant' (override '~quant.int7')", "did you mean 'int8'"]),
        ("+=3", ["'+=3' has no key", "key=value"]),
        ("quant=[int8", ["'quant=[int8' cannot be read", "'key=[a,b]'"]),
        ("seed=???", ["seed: needs a value"]),
        ("seed=${nope}", ["'nope' not found"]),
        ("model=resnet50,densenet121", ["Ambiguous value"]),
    ],
)
def test_a_mistake_names_key_override_and_what_is_allowed(override: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        config.compose([override])
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("override", ["quant=null,int8", "quant=int8,[int8,3]", "task=[digits,photos]", "~quant"])
def test_a_sweep_over_what_is_no_choice_is_refused_before_it_begins(override: str) -> None:
    with pytest.raises(UserError, match=override[:5].strip("~")):
        config_overrides.require_choices(["seed=1,2", override])


@pytest.mark.parametrize(
    "override", ["quant=int8,int8_only", "model=[resnet50,mobilenet],resnet50", "quant=glob(int*)", 'task="digits"']
)
def test_a_sweep_over_choices_is_not(override: str) -> None:
    config_overrides.require_choices([override])


def test_what_hydra_says_at_length_is_cut() -> None:
    assert len(config_overrides.explain(ValueError("word\n" * 1000), [])) <= 300


KEYS = [
    "model", "quant", "task", "measure", "threads", "seed", "fail_on", "run_id", "limits", "limits.timeout_s.export",
    "model.mobilenet_v2", "model.mobilenet_v2.training.epochs", "quant.int8", "quant.int8.deny_ops", "task.images",
    "verdict.schemes", "nothing", "nothing.at.all", "quant@x", "a b", "",
]  # fmt: skip
VALUES = ["", "null", "-1", "1.5", "nan", "true", "x", "[]", "[1]", "[x,y]", "[[a]]", "{a: 1}", "'", "${nope}", "???",
          "a=b", "../x", "é", "\n"]  # fmt: skip


@settings(max_examples=40)
@given(st.sampled_from(["", "+", "++", "~"]), st.sampled_from(KEYS), st.sampled_from(VALUES))
def test_no_override_ends_in_anything_but_a_configuration_or_one_line(prefix: str, key: str, value: str) -> None:
    said = ""
    try:
        assert config.compose([f"{prefix}{key}={value}"]).config.model
    except UserError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 1000


def test_a_group_that_is_not_part_of_every_run_says_how_it_is_added() -> None:
    with pytest.raises(UserError, match=r"experiment: is not part of every run; allowed: '\+experiment=…'.*tiny"):
        config.compose(["experiment=tiny"])
    with pytest.raises(UserError, match=r"experiment: 'tinny' does not exist; did you mean 'tiny'"):
        config.compose(["+experiment=tinny"])
