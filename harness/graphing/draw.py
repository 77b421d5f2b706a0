"""The command ``graph draw``: a model file as a picture that a person can read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import get_args

from harness.cli import parser
from harness.errors import UserError
from harness.files import write_atomic
from harness.graph.drawing.picture import Picture

ABOUT = "draw it: repeated blocks once, colours for dtypes; a conversion before and after: draw FILE [--beside OTHER]"


def command(args: list[str]) -> int:
    """Draw a graph, or two side by side, and print where the picture is."""
    from harness.graph.drawing import dot
    from harness.graph.drawing.render import render

    given = _words().parse_args(args)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # readers of TensorFlow's formats talk otherwise
    format = _format(given.format, given.out)
    out: Path = given.out or Path(f"{_stem(given.file)}.{format}")
    content = render(dot.source(_picture(given)), format)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, content)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from error
    print(out)
    return 0


def _words() -> argparse.ArgumentParser:
    from harness.graph.drawing.items import Depth
    from harness.graph.drawing.render import FORMATS

    words = parser("graph", ABOUT)
    words.prog = "harness graph draw"
    words.add_argument("file", type=Path, help=".tflite, .onnx, .pb, or the folder of a SavedModel")
    words.add_argument("--beside", type=Path, metavar="OTHER", help="what was made of it, drawn to its right")
    words.add_argument("--out", type=Path, help="file to write; default: the name of FILE with the format's suffix")
    words.add_argument("--format", choices=FORMATS, help="default: as --out ends, else svg")
    words.add_argument("--depth", choices=get_args(Depth), default="auto",
                       help="blocks: repeated ones closed; steps: all open; operators: each a box of its own; "
                       "auto: blocks when there are many steps")  # fmt: skip
    words.add_argument("--expand", action="append", default=[], metavar="NAME",
                       help="draw the blocks of this name open, * and ? are allowed; may be repeated")  # fmt: skip
    return words


def _picture(given: argparse.Namespace) -> Picture:
    from harness.graph.drawing import draw
    from harness.graph.opening import open_graph

    before = open_graph(given.file), given.file.name
    if given.beside is None:
        return draw.picture(*before, depth=given.depth, expand=given.expand)
    after = open_graph(given.beside), given.beside.name
    return draw.pictures(before, after, depth=given.depth, expand=given.expand)


def _format(asked: str | None, out: Path | None) -> str:
    from harness.graph.drawing.render import FORMATS

    if asked is not None:
        return asked
    if out is None:
        return "svg"
    if out.suffix.removeprefix(".") not in FORMATS:
        raise UserError(f"--out {out}: which format? allowed: --format, or a name that ends with .svg, .png or .dot")
    return out.suffix.removeprefix(".")


def _stem(file: Path) -> str:
    return file.resolve().stem
