"""The order of names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tables import order


@pytest.mark.parametrize(
    "names",
    [
        ["densenet121", "densenet169", "densenet201"],
        ["efficientnet_b0", "efficientnet_b1", "efficientnet_b7", "efficientnet_v2_b0"],
        ["mobilenet", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"],
        ["resnet50", "resnet50v2", "resnet101", "resnet152"],
    ],
)
def test_names_are_in_their_natural_order(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=order.natural) == names


@given(st.sets(st.text(max_size=6)))
def test_any_names_have_one_order(names: set[str]) -> None:
    some = list(names)
    backwards = some[::-1]
    assert sorted(some, key=order.natural) == sorted(backwards, key=order.natural)
