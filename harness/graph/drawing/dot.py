"""Pictures in DOT, Graphviz's language. Text out of a file goes through ``html`` or ``quoted``, always."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.graph.drawing.colours import fill, stroke
from harness.graph.drawing.picture import Arrow, Box, Line, Panel, Picture, Side

_FONT = "Helvetica,Arial,sans-serif"
_HEAD = f"""\
  graph [fontname="{_FONT}" fontsize=11 bgcolor=white nodesep=0.3 ranksep=0.22 newrank=true pad=0.2 labelloc=b]
  node [fontname="{_FONT}" fontsize=10 shape=plain]
  edge [fontname="{_FONT}" fontsize=8 arrowsize=0.6 penwidth=1.3]"""
_GREY, _DARK = "#6b7280", "#1f2937"
_WIDTH = 120
"""Points that a box is wide at least."""
_MARK, _LINE = "#374151", "#9ca3af"


def source(picture: Picture) -> str:
    """Return the DOT text of a picture; the same picture always gives the same text."""
    lines = ["digraph graph_of_operators {", _HEAD, f"  label=<{_legend(picture)}>"]
    columns: list[list[Panel]] = []
    for place, side in enumerate(picture.sides):
        stacks = _stacks(side)
        left = place == 0 and len(picture.sides) > 1
        columns += [*reversed(stacks), [side.panel]] if left else [[side.panel], *stacks]
    for number, column in enumerate(columns):
        for height, panel in enumerate(column):
            lines += _cluster(f"cluster_{number}_{height}", panel)
        lines += _below(column)
    lines += [f"  {{rank=same; {one}; {other}}}" for one, other in picture.level]
    tops = [column[0].boxes[0].id for column in columns if column[0].boxes]
    if len(tops) > 1:
        lines.append(f"  {{rank=same; {' -> '.join(tops)} [style=invis]}}")
    return "\n".join([*lines, "}", ""])


def _stacks(side: Side) -> list[list[Panel]]:
    """Return the kinds of blocks in columns about as high as the graph itself."""
    limit = max(len(side.panel.boxes), 12)
    stacks: list[list[Panel]] = []
    used = limit
    for kind in side.kinds:
        if used + len(kind.boxes) > limit:
            stacks.append([])
            used = 0
        stacks[-1].append(kind)
        used += len(kind.boxes) + 2
    return stacks


def _below(column: Sequence[Panel]) -> Iterator[str]:
    for upper, lower in pairwise(column):
        yield f"  {upper.boxes[-1].id} -> {lower.boxes[0].id} [style=invis weight=20]"


def _cluster(name: str, panel: Panel) -> Iterator[str]:
    yield f"  subgraph {name} {{"
    yield f'    label=<{_title(panel)}> labelloc=t color="{"#9ca3af" if panel.mark else "white"}" style=rounded'
    framed = {box for frame in panel.frames for box in frame.boxes}
    boxes = {box.id: box for box in panel.boxes}
    for number, frame in enumerate(panel.frames):
        yield f"    subgraph {name}_{number} {{"
        yield f'      label=<{_font(html(frame.title), 9, _GREY)}> labeljust=l color="#9ca3af" style="rounded,dashed"'
        yield from (f"      {_box(boxes[box])}" for box in frame.boxes)
        yield "    }"
    yield f"    node [group={name}]"  # keeps a chain of boxes straight
    yield from (f"    {_box(box)}" for box in panel.boxes if box.id not in framed)
    yield "  }"
    yield from (f"  {_arrow(arrow)}" for arrow in panel.arrows)


def _title(panel: Panel) -> str:
    if panel.mark:
        return f"<B>{html(panel.mark)}</B> {_font(html(panel.title[0]), 9, _GREY)}"
    rest = "".join(f"<BR/>{_font(html(line), 9, _GREY)}" for line in panel.title[1:])
    return f"<B>{html(panel.title[0])}</B>{rest}"


def _box(box: Box) -> str:
    width = 1 if box.kind == "port" else _WIDTH
    rows = [f"<TR>{_cell(line, width)}</TR>" for line in box.lines]
    span = f' ROWSPAN="{len(rows)}"'
    if box.mark:
        mark = _font(f"<B>{html(box.mark)}</B>", 11, "white")
        rows[0] = rows[0].replace("<TR>", f'<TR><TD{span} BGCOLOR="{_MARK}">{mark}</TD>', 1)
    if box.count > 1:
        count = f'<TD{span}><FONT POINT-SIZE="13"><B>×{box.count}</B></FONT></TD>'
        rows[0] = rows[0].removesuffix("</TR>") + f"{count}</TR>"
    border = ' BORDER="2" STYLE="DASHED" COLOR="#b91c1c"' if box.alone else f' BORDER="1" COLOR="{_GREY}"'
    table = f'<TABLE{border} CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" BGCOLOR="white">{"".join(rows)}</TABLE>'
    return f"{box.id} [label=<{table}> tooltip={quoted(box.tooltip or ' ')}]"


def _cell(line: Line, width: int) -> str:
    text = html(line.text)
    text = f"<B>{text}</B>" if line.strong else _font(text, 8, _DARK)
    colour = f' BGCOLOR="{fill(line.dtype)}"' if line.dtype else ""
    return f'<TD ALIGN="LEFT" WIDTH="{width}"{colour}>{text}</TD>'


def _arrow(arrow: Arrow) -> str:
    text = '<BR ALIGN="LEFT"/>'.join(f"&#160;{html(line)}" for line in arrow.lines)
    label = f' label=<{text}<BR ALIGN="LEFT"/>>' if text else ""
    tip = quoted(arrow.tooltip)
    colour = stroke(arrow.dtype)
    return (f"{arrow.source} -> {arrow.target} [color=\"{colour}\" fontcolor=\"{colour}\"{label} "
            f"tooltip={tip} labeltooltip={tip}]")  # fmt: skip


def _legend(picture: Picture) -> str:
    """Return a table that says what colours and signs mean; only those that are in the picture."""
    panels = [panel for side in picture.sides for panel in (side.panel, *side.kinds)]
    dtypes = sorted({dtype for panel in panels for dtype in panel.dtypes if dtype})
    cells = [f'<TD BGCOLOR="{fill(dtype)}" BORDER="1" COLOR="{_GREY}">{html(dtype)}</TD>' for dtype in dtypes]
    said = []
    if any(arrow.lines[1:] for panel in panels for arrow in panel.arrows):
        said.append("s scale, z zero point: value = s × (stored - z)")
    if any(side.kinds for side in picture.sides):
        said.append("letter: a kind of block, drawn open beside it; ×n: n of them in a row")
    if any(box.alone for panel in panels for box in panel.boxes):
        said.append("dashed red: nothing on the other side corresponds")
    cells += [f'<TD ALIGN="LEFT">{html(one)}</TD>' for one in said]
    return _font(f'<TABLE BORDER="0" CELLSPACING="4"><TR>{"".join(cells)}</TR></TABLE>', 9, _DARK)


def _font(text: str, size: int, colour: str) -> str:
    return f'<FONT POINT-SIZE="{size}" COLOR="{colour}">{text}</FONT>'


def html(text: str) -> str:
    """Return ``text`` for an HTML-like label; never empty, because Graphviz takes no empty cell for text."""
    shown = _entities(plain(text).replace("\n", "↵"))
    return shown if shown.strip() else "&#160;"


def quoted(text: str) -> str:
    """Return ``text`` as a quoted string of DOT, in which nothing but the line feed has a meaning."""
    return '"' + _entities(plain(text)).replace("\n", "\\n") + '"'


def _entities(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text


def plain(text: str) -> str:
    r"""Return ``text`` without what cannot be drawn.

    Signs that XML does not allow become a mark, but for the line feed. A backslash becomes one that is only drawn so
    (∖): Graphviz replaces ``\N`` and ``\G`` even in labels, once or twice, as its version will have it.
    """
    return "".join(sign if _is_allowed(sign) else "�" for sign in text.replace("\\", "∖"))


def _is_allowed(sign: str) -> bool:
    number = ord(sign)
    return sign == "\n" or (number >= 0x20 and not 0x7F <= number < 0xA0 and not 0xD800 <= number < 0xE000
                            and number & 0xFFFE != 0xFFFE)  # fmt: skip
