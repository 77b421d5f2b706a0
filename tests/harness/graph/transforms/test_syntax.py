"""The classic syntax: what is written is read back, and what is wrong is told by its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.graph.transforms import arguments, lists, syntax
from harness.graph.transforms.syntax import Call, parse, written

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
CALLS = st.builds(Call, NAMES, st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=4).map(tuple))


@given(st.lists(CALLS, max_size=6).map(tuple))
def test_what_is_written_is_read_back(calls: tuple[Call, ...]) -> None:
    assert parse(written(calls)) == calls


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_by_its_place(text: str) -> None:
    calls, said = attempt(text)
    assert parse(written(calls)) == calls
    assert said == "" or said.startswith("transforms, character ")


def attempt(text: str) -> tuple[tuple[Call, ...], str]:
    """Return what is read, or what is said instead."""
    try:
        return parse(text), ""
    except UserError as error:
        return (), str(error)


def test_the_manual_s_own_example() -> None:
    calls = parse("""
      strip_unused_nodes(type=float, shape="1,299,299,3")
      remove_nodes(op=Identity, op=CheckNumerics)
      fold_constants(ignore_errors=true) fold_batch_norms fold_old_batch_norms()
    """)
    assert [call.name for call in calls] == [
        "strip_unused_nodes", "remove_nodes", "fold_constants", "fold_batch_norms", "fold_old_batch_norms"]  # fmt: skip
    assert calls[0].arguments == (("type", "float"), ("shape", "1,299,299,3"))
    assert calls[1].arguments == (("op", "Identity"), ("op", "CheckNumerics"))
    assert [call.position for call in calls[:2]] == [8, 66]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fold_constants(", "character 16: expected an argument key=value of fold_constants, the text ends"),
        ("a(b)", "character 4: expected '=' behind 'b' of a, found ')'"),
        ("a(b=1 c=2)", "character 7: expected ',' or ')' behind 'b' of a, found 'c=2)'"),
        ('a(b="1)', "character 5: expected a value for 'b' of a, closed with \", found '\"1)'"),
        ("a(b=)", "character 5: expected a value for 'b' of a, found ')'"),
        ("a, b", "character 2: expected the name of a transform, found ', b'"),
        ("a(b=1,)", "character 7: expected an argument key=value of a, found ')'"),
        ("<script>alert(1)</script>", "character 1: expected the name of a transform, found '<script>aler…'"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert str(caught.value) == f"transforms, {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fold_constants  fold_batchnorms",
            "character 17: there is no transform 'fold_batchnorms'; did you mean 'fold_b",
        ),
        ("../run", "character 1: expected the name"),
        ("remove_nodes(ops=Identity)", "remove_nodes.ops: unknown key; did you mean 'op'? allowed: max_inputs, op"),
        ("remove_nodes", "character 1: remove_nodes.op: missing"),
        ("round_weights(num_steps=many)", "round_weights.num_steps: 'many' is no number"),
        ("round_weights(num_steps=1)", "round_weights.num_steps: 1 is out of range; allowed: 2 …"),
        ("round_weights(num_steps=3, num_steps=4)", "round_weights.num_steps: given twice; allowed: once"),
        ("fold_constants(ignore_errors=maybe)", "ignore_errors: 'maybe' is not possible; allowed: true, false"),
    ],
)
def test_unknown_transforms_and_arguments_are_told_with_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        [arguments.options(call) for call in parse(text)]
    assert said in str(caught.value)
    assert str(caught.value).startswith("transforms, character ")
    assert "\n" not in str(caught.value)


def test_every_transform_of_the_issue_is_there() -> None:
    assert arguments.names() == [
        "fold_batch_norms", "fold_constants", "fold_old_batch_norms", "merge_duplicate_nodes", "obfuscate_names",
        "quantize_weights", "remove_attribute", "remove_nodes", "rename_op", "round_weights",
        "sort_by_execution_order", "strip_unused_nodes"]  # fmt: skip


@pytest.mark.parametrize("name", lists.LISTS)
def test_a_named_list_is_sound_and_has_the_shape(name: str) -> None:
    calls = syntax.parse(lists.named(name, (1, 224, 160, 3)))
    options = [arguments.options(call) for call in calls]
    assert options[0].shape == "1,224,160,3"


def test_an_unknown_list() -> None:
    with pytest.raises(UserError, match=r"no list of transforms 'deploy'; .*allowed: deployment, mobile, quantize_we"):
        lists.named("deploy", (1,))


def test_a_named_list_without_a_shape_keeps_that_of_the_file() -> None:
    assert syntax.parse(lists.named("mobile"))[0] == Call("strip_unused_nodes")
