"""Plain values into dataclasses: what passes, and the one line for what does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.validate import validated


@dataclass
class Inner:
    size: int = field(default=1, metadata={"min": 1, "max": 9})


@dataclass
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    rate: float = 0.5
    flag: bool = False
    maybe: int | None = None
    names: list[str] = field(default_factory=list)
    inner: Inner = field(default_factory=Inner)
    by_name: dict[str, float] = field(default_factory=dict)
    one_or_more: int | list[int] = field(default=1, metadata={"min": 1})


def test_good_values_arrive_typed() -> None:
    made = validated({"name": "x", "rate": 1, "inner": {"size": 3}, "one_or_more": [1, 2]}, Outer, "o")
    assert made == Outer("x", rate=1.0, inner=Inner(3), one_or_more=[1, 2])
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "x", "kint": "a"}, ["o.kint", "unknown key", "did you mean 'kind'"]),
        ({}, ["o.name", "missing"]),
        ({"name": 3}, ["o.name", "expected text", "3"]),
        ({"name": "x", "kind": "c"}, ["o.kind", "'c'", "allowed: a, b"]),
        ({"name": "x", "flag": 1}, ["o.flag", "true or false"]),
        ({"name": "x", "maybe": True}, ["o.maybe", "whole number"]),
        ({"name": "x", "names": "abc"}, ["o.names", "list"]),
        ({"name": "x", "names": ["a", 1]}, ["o.names[1]", "text"]),
        ({"name": "x", "inner": {"size": 0}}, ["o.inner.size", "out of range", "1 … 9"]),
        ({"name": "x", "inner": 3}, ["o.inner", "mapping"]),
        ({"name": "x", "by_name": {"k": "v"}}, ["o.by_name.k", "a number"]),
        ({"name": "x", "one_or_more": [1, 0]}, ["o.one_or_more", "0 is out of range"]),
        ([], ["o: expected a mapping"]),
    ],
)
def test_a_mistake_is_one_line_with_key_cause_and_what_is_allowed(values: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        validated(values, Outer, "o")
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_the_origin_of_a_key_is_told() -> None:
    with pytest.raises(UserError, match=r"o\.rate: .*from conf/x\.yaml"):
        validated({"name": "x", "rate": "fast"}, Outer, "o", lambda key: f" (from conf/x.yaml for {key})")


@given(
    st.builds(
        Outer,
        name=st.text(),
        kind=st.sampled_from(["a", "b"]),
        rate=st.floats(allow_nan=False),
        flag=st.booleans(),
        maybe=st.none() | st.integers(),
        names=st.lists(st.text()),
        inner=st.builds(Inner, size=st.integers(1, 9)),
        by_name=st.dictionaries(st.text(), st.floats(allow_nan=False)),
        one_or_more=st.integers(1, 5) | st.lists(st.integers(1, 5)),
    )
)
def test_what_was_valid_comes_back_equal(value: Outer) -> None:
    assert validated(asdict(value), Outer, "o") == value
