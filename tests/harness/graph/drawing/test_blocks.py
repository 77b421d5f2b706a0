"""What repeats, found by shape and by name."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.errors import UserError
from harness.graph.drawing.blocks import blocks
from harness.graph.drawing.items import Plan, closed_like, plan
from harness.graph.drawing.steps import flow
from harness.graph.model import Graph
from tests.harness.graph.building import Building, residual
from tests.harness.graph.test_order import graphs


def mobile(names: bool = True) -> Graph:
    """A stem, and four stages of a block without and one to four blocks with a shortcut; a head."""
    building = Building()
    out = building.conv(building.input(), "net/Conv1/Conv2D", 3)
    number = 0
    for stage, count in enumerate((1, 2, 3, 4)):
        shape = (1, 64 >> stage, 64 >> stage, 4)
        name = f"net/block_{number}" if names else ""
        for part in ("expand", "depthwise", "project"):
            out = building.conv(out, f"{name}_{part}/Conv2D" if names else "", shape=shape)
        for one in range(count):
            out = residual(building, out, f"net/block_{number + one + 1}" if names else "", shape=shape)
        number += count + 1
    return building.graph(building.node("MEAN", out, name="net/pool/Mean"))


def shown(found: Plan) -> list[tuple[str, int, int]]:
    """(name, blocks, steps) of each item."""
    return [(item.name, len(item.row.blocks), len(item.steps)) for item in found.items]


def test_blocks_by_shape_and_by_name() -> None:
    found = flow(mobile())
    sizes = [(block.name, len(block.steps)) for block in blocks(found)]
    assert sizes[:4] == [("Conv1", 1), ("block_0", 3), ("block_1", 3), ("block_2", 3)]
    assert [name for name, _ in sizes] == ["Conv1", *(f"block_{n}" for n in range(14)), "pool"]


def test_residual_blocks_are_found_without_names() -> None:
    sizes = [len(block.steps) for block in blocks(flow(mobile(names=False)))]
    assert sizes == [1, 1, 1, 1, 3, 1, 1, 1, 3, 3, 1, 1, 1, 3, 3, 3, 1, 1, 1, 3, 3, 3, 3, 1]


@given(graphs())
def test_every_step_is_in_one_block(graph: Graph) -> None:
    found = flow(graph)
    assert [step for block in blocks(found) for step in block.steps] == list(range(len(found.steps)))


def test_a_shortcut_over_everything_does_not_make_one_block_of_all() -> None:
    building = Building()
    start = out = building.conv(building.input())
    for _ in range(12):
        out = residual(building, out)
    graph = building.graph(building.node("ADD", out, start))
    assert max(len(block.steps) for block in blocks(flow(graph))) == 3


def test_equal_blocks_stand_in_rows() -> None:
    assert shown(plan(mobile(), "blocks"))[1:-1] == [
        ("block_0", 1, 3),
        ("block_1", 1, 3),
        ("block_2", 1, 3),
        ("block_3", 2, 6),
        ("block_5", 1, 3),
        ("block_6", 3, 9),
        ("block_9", 1, 3),
        ("block_10", 4, 12),
    ]


def test_several_blocks_that_repeat_together_are_one() -> None:
    building = Building()
    out = building.input()
    for number in range(5):
        out = building.conv(out, f"net/dw_{number}/Conv2D", 3)
        out = building.node("AVERAGE_POOL_2D", out, name=f"net/pw_{number}/Pool")
    (item,) = plan(building.graph(out), "blocks").items
    assert (len(item.row.blocks), item.name, item.row.blocks[-1].last) == (5, "dw_0", "pw_4")


def test_depth_and_expand() -> None:
    graph = mobile()
    assert all(item.open for item in plan(graph, "steps").items)
    assert not all(item.open for item in plan(graph, "blocks").items)
    found = plan(graph, "blocks", ["block_7"])
    assert [(item.name, item.open) for item in found.items if item.name in ("block_6", "block_7", "block_8")] == [
        ("block_6", False), ("block_7", True), ("block_8", False)]  # fmt: skip
    assert len(plan(graph, "auto", ["block_1*"]).items) > len(plan(graph, "auto").items)
    with pytest.raises(UserError, match=r"--expand block_77: no block .* did you mean 'block_7'\? allowed: block_0, "):
        plan(graph, expand=["block_77"])


def test_a_small_graph_is_drawn_whole() -> None:
    building = Building()
    found = plan(building.graph(residual(building, residual(building, building.input()))))
    assert all(item.open for item in found.items)


def test_a_block_of_which_there_is_one_is_open_unless_it_is_closed_on_the_other_side() -> None:
    building = Building()
    out = building.conv(building.input(), "net/Conv1/Conv2D")
    graph = building.graph(building.node("MEAN", residual(building, out, "net/block_2"), name="net/pool/Mean"))
    alone = plan(graph, "blocks")
    assert {item.name: item.open for item in alone.items}["block_2"]
    like = closed_like(alone, plan(mobile(), "blocks"))
    assert not {item.name: item.open for item in like.items}["block_2"]
