"""Plans to panels: boxes with their texts, and arrows between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.graph.drawing import labels
from harness.graph.drawing.blocks import Block
from harness.graph.drawing.items import Item, Plan
from harness.graph.drawing.picture import Arrow, Box, Frame, Line, Panel
from harness.graph.drawing.repeats import Kind


def panel(
    plan: Plan, prefix: str, title: Sequence[str], marks: Mapping[Kind, str], alone: frozenset[str] = frozenset()
) -> Panel:
    """Return a whole graph. Boxes are called ``<prefix>i0`` (inputs), ``o0`` (outputs), ``s7`` (steps), ``r3`` (rows);
    those in ``alone`` have nothing to correspond to."""
    places = box_ids(plan, prefix)
    boxes = [box for index, item in enumerate(plan.items) for box in _boxes(plan, prefix, index, item, marks, alone)]
    boxes = [*_ports(plan, prefix, "input"), *boxes, *_ports(plan, prefix, "output")]
    frames = [
        Frame(labels.clip(item.name) or "block", tuple(places[step] for step in item.steps))
        for item in plan.items
        if item.open and len(item.steps) > 1
    ]
    return Panel(tuple(title), tuple(boxes), _arrows(plan, _ways(plan, prefix, places)), tuple(frames))


def box_ids(plan: Plan, prefix: str) -> dict[int, str]:
    """Return step → the box that it is in."""
    return {
        step: f"{prefix}s{step}" if item.open else f"{prefix}r{index}"
        for index, item in enumerate(plan.items)
        for step in item.steps
    }


def kind_panel(plan: Plan, prefix: str, block: Block, mark: str) -> Panel:
    """Return one block drawn open, with what goes in and out."""
    flow, inside = plan.flow, set(block.steps)
    ways: list[tuple[str, str, int]] = []
    ins: dict[str, Box] = {}
    outs: dict[str, Box] = {}
    for step in block.steps:
        own = f"{prefix}s{step}"
        for number in flow.steps[step].inputs:
            source = f"{prefix}s{flow.makers[number]}" if flow.makers.get(number) in inside else f"{prefix}t{number}"
            if flow.makers.get(number) not in inside:
                ins.setdefault(source, Box(source, (Line("in"),), "", "port"))
            ways.append((source, own, number))
        for number in flow.steps[step].outputs:
            if flow.last_readers.get(number, -1) > block.steps[-1] or number in flow.graph.outputs.values():
                outs[f"{prefix}e{number}"] = Box(f"{prefix}e{number}", (Line("out"),), "", "port")
                ways.append((own, f"{prefix}e{number}", number))
    boxes = (*ins.values(), *(_step_box(plan, prefix, step, frozenset()) for step in block.steps), *outs.values())
    title = f"as in {labels.clip(block.name)}" if block.name else "as it is first"
    return Panel((title,), boxes, _arrows(plan, ways), mark=mark)


def _ports(plan: Plan, prefix: str, word: str) -> Iterator[Box]:
    graph = plan.flow.graph
    for index, (name, number) in enumerate((graph.inputs if word == "input" else graph.outputs).items()):
        tensor = graph.tensors[number]
        lines = (Line(labels.clip(name) or word, strong=True), Line(f"{word}, {tensor.dtype}", tensor.dtype))
        yield Box(f"{prefix}{word[0]}{index}", lines, labels.tensor_tooltip(tensor), "port")


def _boxes(
    plan: Plan, prefix: str, index: int, item: Item, marks: Mapping[Kind, str], alone: frozenset[str]
) -> Iterator[Box]:
    if item.open:
        yield from (_step_box(plan, prefix, step, alone) for step in item.steps)
        return
    name = f"{prefix}r{index}"
    names = "\n".join(block.name or "block" for block in item.row.blocks)
    yield Box(
        name,
        labels.row_lines(plan.flow, item.row),
        labels.clip(names, 600),
        "row",
        mark=marks.get(item.row.kind, ""),
        count=len(item.row.blocks),
        alone=name in alone,
    )


def _step_box(plan: Plan, prefix: str, step: int, alone: frozenset[str]) -> Box:
    name, found = f"{prefix}s{step}", plan.flow.steps[step]
    lines = labels.step_lines(plan.flow, found, plan.layers)
    return Box(name, lines, labels.step_tooltip(found), alone=name in alone)


def _ways(plan: Plan, prefix: str, places: Mapping[int, str]) -> Iterator[tuple[str, str, int]]:
    """Yield (box that gives, box that takes, tensor number)."""
    flow, graph = plan.flow, plan.flow.graph
    inputs = {number: f"{prefix}i{index}" for index, number in enumerate(graph.inputs.values())}

    def source(number: int) -> str | None:
        return places[flow.makers[number]] if number in flow.makers else inputs.get(number)

    for step, one in enumerate(flow.steps):
        for number in one.inputs:
            if (start := source(number)) is not None and start != places[step]:
                yield start, places[step], number
    for index, number in enumerate(graph.outputs.values()):
        if (start := source(number)) is not None:
            yield start, f"{prefix}o{index}", number


def _arrows(plan: Plan, ways: Iterable[tuple[str, str, int]]) -> tuple[Arrow, ...]:
    """Return an arrow for each way, none twice; only the first one of a value says what it is."""
    said: set[tuple[str, int]] = set()
    found: list[Arrow] = []
    for source, target, number in dict.fromkeys(ways):
        tensor = plan.flow.carried(number)
        lines = () if (source, number) in said else labels.arrow_lines(tensor)
        said.add((source, number))
        found.append(Arrow(source, target, tensor.dtype, lines, labels.tensor_tooltip(tensor)))
    return tuple(found)
