"""The command ``graph match``: where a pattern lies in a model file, and a frozen graph without it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from harness.cli import parser
from harness.errors import StageError, UserError
from harness.files import write_atomic
from harness.graph.matching.pattern import Pattern
from harness.graph.matching.search import Match
from harness.graph.model import Graph

ABOUT = "find a pattern of operators, shipped or your own, and take it out of a frozen graph: match FILE [PATTERN]"


def command(args: list[str]) -> int:
    """Print the matches of a pattern, or without one how often each shipped pattern is found."""
    from harness.graph.matching import load
    from harness.graph.opening import open_graph

    given = _words().parse_args(args)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # readers of TensorFlow's formats talk otherwise
    forms = None if given.pattern is None else load.load(given.pattern)
    if forms is None and (given.out is not None or given.json):
        raise UserError(
            f"graph match: --out and --json need a pattern; allowed: {', '.join(load.shipped())}, or a file"
        )
    graph = open_graph(given.file)
    if forms is None:
        for name in load.shipped():
            shown = load.load(name)
            print(f"{len(_matches(graph, shown)):>5}  {name:<24} {load.about(name)}")
        return 0
    matches = _matches(graph, forms)
    _tell(given, graph, matches)
    if given.out is not None:
        _take_out(given, graph, matches)
    return 0


def _words() -> argparse.ArgumentParser:
    words = parser("graph", ABOUT)
    words.prog = "harness graph match"
    words.add_argument("file", type=Path, help=".tflite, .onnx, .pb, or the folder of a SavedModel")
    words.add_argument("pattern", nargs="?", help="name of a shipped pattern, or a file .yaml; default: count them all")
    words.add_argument("--limit", type=int, default=20, help="matches to print (default: 20)")
    words.add_argument("--json", action="store_true", help="print all matches as JSON")
    words.add_argument("--out", type=Path, metavar="OUT.pb",
                       help="write the frozen graph without the matches, as the pattern's rewrite says")  # fmt: skip
    return words


def _matches(graph: Graph, forms: tuple[Pattern, ...]) -> list[Match]:
    from harness.graph.matching.search import find, largest

    return largest(match for pattern in forms for match in find(graph, pattern))


def _tell(given: argparse.Namespace, graph: Graph, matches: list[Match]) -> None:
    if given.json:
        print(json.dumps([_as_data(graph, match) for match in matches], indent=2))
        return
    print(f"{len(matches)} of '{given.pattern}' in {given.file}")
    for match in matches[: max(0, given.limit)]:
        found = (f"{name}={_shown(graph.nodes[position].name)}" for name, position in match.nodes.items())
        print(f"  {match.pattern.name}: {'  '.join(sorted(found))}")
    if len(matches) > max(0, given.limit):
        print(f"  … and {len(matches) - max(0, given.limit)} more: --limit, --json")


def _as_data(graph: Graph, match: Match) -> dict[str, Any]:
    nodes = {name: graph.nodes[position] for name, position in match.nodes.items()}
    return {
        "pattern": match.pattern.name,
        "nodes": {name: {"op": node.op, "name": node.name} for name, node in sorted(nodes.items())},
        "values": {name: graph.tensors[number].name for name, number in sorted(match.values.items())},
        "passed": [graph.nodes[position].name for position in sorted(match.passed)],
    }


def _shown(name: str) -> str:
    """Return a name on one line, whatever signs it has."""
    return name if name.isprintable() and " " not in name else ascii(name)


def _take_out(given: argparse.Namespace, graph: Graph, matches: list[Match]) -> None:
    from harness.graph import graph_def as files
    from harness.graph.matching.frozen_bypass import bypassed

    if graph.format != "frozen":
        raise UserError(f"{given.file}: only a frozen graph, .pb, is rewritten; this is {graph.format}")
    if not matches:
        print("nothing to take out, nothing written")
        return
    try:
        before = files.load(given.file)
        after = bypassed(before, graph, matches)
    except StageError as error:
        raise UserError(str(error)) from error
    try:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(given.out, after.SerializeToString(deterministic=True))
    except OSError as error:
        raise UserError(f"{given.out}: cannot be written: {error.strerror}") from error
    print(f"{len(before.node)} nodes before, {len(after.node)} after\nwritten: {given.out}")
