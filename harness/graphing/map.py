"""``harness graph map A B``: which input and output of one model is which of another."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import parser
from harness.graphing._shown import printable

if TYPE_CHECKING:
    from harness.graph.ports.pairs import Pair, PortMap

ABOUT = "which input and output of one model is which of another, by what they compute: map BEFORE AFTER"


def command(args: list[str]) -> int:
    """Run both models on the same random inputs and print the map; 1 with ``--strict`` when it is not certain.

    Raises ``UserError`` when a file cannot be read.
    """
    from harness.graph.ports.mapping import map_ports
    from harness.graph.ports.pairs import Model
    from harness.graph.read import open_file
    from harness.graphing._run import runner

    words = parser("graph", ABOUT)
    words.prog = "harness graph map"
    words.add_argument("before", type=Path, help="a model, such as the source")
    words.add_argument("after", type=Path, help="the same model in another format")
    words.add_argument("--json", action="store_true", help="the map as JSON")
    words.add_argument("--seed", type=int, default=0, help="of the random inputs (default: 0)")
    words.add_argument("--tolerance", type=float, help="largest difference relative to the largest value of an output "
                       "(default: 0.01, or 0.3 when one of the models is quantized)")  # fmt: skip
    words.add_argument(
        "--strict", action="store_true", help="exit code 1 when a port has no like or a pair is doubtful"
    )
    given = words.parse_args(args)
    models = [Model(graph, runner(path, graph)) for path in (given.before, given.after) for graph in [open_file(path)]]
    found = map_ports(models[0], models[1], given.seed, given.tolerance)
    if given.json:
        json.dump(as_map(found), sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines(found)))
    return 1 if given.strict and not found.is_certain else 0


def as_map(found: PortMap) -> dict[str, object]:
    """Return the map as JSON: name → name in front, all that is known of the pairs behind."""
    return {
        "inputs": {one.before: one.after for one in found.inputs},
        "outputs": {one.before: one.after for one in found.outputs},
        "pairs": {"inputs": [asdict(one) for one in found.inputs], "outputs": [asdict(one) for one in found.outputs]},
        "only_before": list(found.only_before),
        "only_after": list(found.only_after),
        "remarks": list(found.remarks),
        "certain": found.is_certain,
    }


def lines(found: PortMap) -> list[str]:
    """Return the map as text."""
    rows = [_line("input", one) for one in found.inputs] + [_line("output", one) for one in found.outputs]
    rows += [f"  {'only first':<10} {printable(name)}" for name in found.only_before]
    rows += [f"  {'only second':<10} {printable(name)}" for name in found.only_after]
    return rows + [f"  {'!':<10} {printable(remark)}" for remark in found.remarks]


def _line(side: str, one: Pair) -> str:
    by = {"values": "by values", "only": "the only one", "shape": "by shape", "name": "by name"}[one.by]
    difference = "" if one.difference is None else f", difference {one.difference:.1e}"
    turned = ", dimensions in another order" if one.transposed else ""
    doubts = "".join(f"; {printable(remark)}" for remark in one.remarks)
    return f"  {side:<10} {printable(one.before)} ↔ {printable(one.after)}  ({by}{difference}{turned}{doubts})"
