"""``harness graph summarize FILE``: what goes in and comes out, operators, parameters, bytes, multiply-adds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import parser
from harness.graphing._shown import printable

if TYPE_CHECKING:
    from harness.graph.summary import Port, Summary

ABOUT = "inputs, outputs, operators, parameters, bytes and multiply-adds of a model file: summarize FILE"


def command(args: list[str]) -> int:
    """Print the summary of a file. Raises ``UserError`` when it cannot be read."""
    from harness.graph.read import open_file
    from harness.graph.summary import summarize

    words = parser("graph", ABOUT)
    words.prog = "harness graph summarize"
    words.add_argument("file", type=Path, help="a model of any format that is read here; what it is, its content tells")
    words.add_argument("--json", action="store_true", help="all numbers as JSON")
    given = words.parse_args(args)
    found = summarize(open_file(given.file))
    if given.json:
        json.dump(asdict(found), sys.stdout, indent=2)
        print()
    else:
        print("\n".join([f"{printable(str(given.file))}: {_format(found)}", *lines(found)]))
    return 0


def _format(found: Summary) -> str:
    return found.format + (f", opset {found.opset}" if found.opset is not None else "")


def lines(found: Summary) -> list[str]:
    """Return a summary as text, an aspect a line."""
    rows = [("input" if index == 0 else "", port(one)) for index, one in enumerate(found.inputs)]
    rows += [("output" if index == 0 else "", port(one)) for index, one in enumerate(found.outputs)]
    for one in found.signatures:
        rows.append(("signature", printable(f"{one.name}({', '.join(one.inputs)}) → {', '.join(one.outputs)}")))
    rows += [
        ("parameters", f"{found.parameters:,}, {found.kernel_parameters:,} of them in kernels"),
        ("multiply-adds", f"{found.macs:,} for one image"),
        ("bytes", counts(found.bytes_by_dtype) or "no constants"),
        ("operators", counts(found.ops)),
        ("legal names", counts(found.legal_ops)),
    ]
    rows += [("uncounted", f"multiply-adds of {counts(found.uncounted_ops)}")] if found.uncounted_ops else []
    rows += [("unknown", counts(found.unknown_ops))] if found.unknown_ops else []
    return [f"  {title:<14} {text}".rstrip() for title, text in rows]


def counts(numbers: Mapping[str, int]) -> str:
    """Return ``name number`` of each, in order."""
    return ", ".join(f"{printable(name)} {number:,}" for name, number in numbers.items())


def port(one: Port) -> str:
    """Return an input or output as text: name, dtype, shape, scale."""
    shape = (
        "of unknown rank" if one.shape is None else "×".join("?" if n < 0 else str(n) for n in one.shape) or "scalar"
    )
    scaled = "" if one.scale is None else f", scale {one.scale:.6g}, zero point {one.zero_point}"
    return f"{printable(one.name)} {one.dtype} {shape}{scaled}"
